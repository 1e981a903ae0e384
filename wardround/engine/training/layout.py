"""In which order a training's features lie in memory: convolutions are quicker in one or the other.

The choice is a rule and no measurement at the start of a run. Layouts give other last bits, and which of two is quicker
within a second depends on what else a machine does: two equal runs, a resumed one, or a federation of one site beside a
local run would differ. The rule knows what was measured; `wardround env` measures, and says where to write another.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from wardround.engine.networks.layouts import channels_last
from wardround.engine.parts.networks import network_of
from wardround.engine.sampling import Batch
from wardround.engine.study import Study
from wardround.engine.training.machine import Machine, this_machine

MEASURED = frozenset({"AVX2"})
"""The vector instructions of CPUs on which channels that lie last were seen to be quicker in 3D."""


def lies_last(study: Study, device: torch.device, precision: str) -> bool:
    """Whether the channels of each voxel lie beside each other while a study is trained on a device.

    `auto` says so for networks of 3D convolutions that compute in fp32 on CPUs with instructions of `MEASURED`.
    """
    if not study.inputs:
        return False
    if study.training.layout != "auto":
        return study.training.layout == "channels_last"
    parameters = network_of(study.model.parameters)
    if parameters is None or parameters.has_tokens or precision != "fp32":
        return False
    return gains(parameters.dimensions, this_machine(device, precision))


def gains(dimensions: int, machine: Machine) -> bool:
    """Whether convolutions of so many axes in fp32 were measured to be quicker with channels that lie last."""
    return dimensions == 3 and machine.device == "cpu" and machine.instructions in MEASURED


def laid_out(batch: Batch) -> Batch:
    """The batch with the channels of each voxel of its images beside each other."""
    return replace(batch, image=channels_last(batch.image))

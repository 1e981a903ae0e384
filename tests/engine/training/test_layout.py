"""The layout of a training: a rule that a study may overrule, and that changes no more than last bits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import save

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.networks.layouts import lies_channels_last
from wardround.engine.study import Study
from wardround.engine.training import Learner, StepRecord
from wardround.engine.training.layout import lies_last

CPU = torch.device("cpu")
STEPS = 6


def _study(layout: str = "auto", **changes: Any) -> Study:
    return tiny_study(training={"layout": layout}, **changes)


def _in_3d(layout: str = "auto") -> Study:
    model = {"name": "resunet", "dimensions": 3, "filters": 4, "levels": 2, "norm": "instance"}
    return _study(layout, patches={"size": [8, 8, 8]}, model=model, augmentation=[])


@pytest.mark.parametrize(
    ("study", "precision", "instructions", "expected"),
    [
        (_in_3d(), "fp32", "AVX2", True),
        (_in_3d(), "fp32", "AVX512", False),
        (_in_3d(), "bf16", "AVX2", False),
        (_study(), "fp32", "AVX2", False),
        (_in_3d("channels_first"), "fp32", "AVX2", False),
        (_study("channels_last"), "fp32", "AVX512", True),
    ],
)
def test_the_rule(
    monkeypatch: pytest.MonkeyPatch, study: Study, precision: str, instructions: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instructions)
    assert lies_last(study, CPU, precision) is expected


def _trained(study: Study, stops: tuple[int, ...] = (STEPS,)) -> tuple[bytes, list[float]]:
    """The bytes of weights and optimiser after the last of the stops, each begun anew, and all losses."""
    losses: list[float] = []

    def watch(record: StepRecord) -> None:
        losses.append(record.loss)

    learner, start = Learner.create(study, STEPS, device="cpu"), 0
    for stop in stops:
        learner.train(DiscBatches(study), start, stop, on_step=watch)
        fresh = Learner.create(study, STEPS, device="cpu")
        fresh.load_weights(learner.weights())
        fresh.load_optimizer_state(learner.optimizer_state())
        learner, start = fresh, stop
    return save(learner.weights()) + learner.optimizer_state(), losses


def test_losses_of_both_layouts_are_one_curve() -> None:
    first, last = (_trained(_study(layout))[1] for layout in ("channels_first", "channels_last"))
    assert first != pytest.approx([first[0]] * STEPS, rel=1e-2)
    assert last == pytest.approx(first, rel=1e-4)


def test_stopping_and_going_on_changes_no_bit() -> None:
    study = _study("channels_last")
    assert _trained(study, (2, STEPS))[0] == _trained(study)[0]


def test_features_lie_as_the_study_says() -> None:
    seen: list[bool] = []
    study = _study("channels_last")
    learner = Learner.create(study, STEPS, device="cpu")
    for layer in learner.network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, given, found: seen.append(lies_channels_last(found)))
    learner.train(DiscBatches(study), 0, 1)
    assert seen
    assert all(seen)


def test_the_digest_of_a_study_that_says_nothing_is_that_of_before() -> None:
    assert "layout" not in tiny_study().model_dump_json()
    assert _study("channels_last").digest != tiny_study().digest == _study().digest


def test_an_unknown_layout_is_told() -> None:
    with pytest.raises(ValueError, match="channels_last"):
        _study("NHWC")

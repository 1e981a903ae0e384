"""Whether an exported network gives what the trained one gives: both run side by side on the same windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError
from wardround.engine.delivery.formats import Format, Runner
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.store.case import StoredCase
from wardround.engine.targets import Activation, target_of

TOLERANCE = 1e-4
"""How far outputs may lie apart, for each unit of the largest of them: float32 sums in another order."""
_MADE_UP = 4


@dataclass(frozen=True)
class Proof:
    """What a comparison has found.

    Attributes:
        cases: real cases that it ran on; 0 where the windows were made up.
        windows: of the patch's size that both networks were given.
        difference: the largest between two outputs.
        largest: the largest output of the trained network, without its sign.
        alike: of all classes that the two tell, of a voxel or of a case, the fraction that is the same; of numbers the
            fraction within the tolerance.
        trained_seconds: that the trained network takes for a window, median.
        exported_seconds: that the exported network takes, as it runs in its own runtime.
        threads: of the processor that both had.
    """

    cases: int
    windows: int
    difference: float
    largest: float
    alike: float
    trained_seconds: float
    exported_seconds: float
    threads: int

    @property
    def allowed(self) -> float:
        """The difference that is still that of rounding."""
        return TOLERANCE * max(1.0, self.largest)


@dataclass
class _Sums:
    windows: int = 0
    difference: float = 0.0
    largest: float = 0.0
    told: int = 0
    alike: int = 0
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


class SideBySide(nn.Module):
    """Stands in for a trained network: gives its outputs, and notes how those of the exported one differ."""

    def __init__(self, trained: nn.Module, exported: Runner, activation: Activation) -> None:
        super().__init__()
        self._trained, self._exported, self._activation = trained, exported, activation
        self._sums = _Sums()

    def forward(self, images: Tensor) -> Tensor:
        """Windows to the outputs of the trained network."""
        begun = time.perf_counter()
        outputs: Tensor = self._trained(images)
        between = time.perf_counter()
        others = self._exported(images.numpy())
        ended = time.perf_counter()
        for kept, seconds in zip(self._sums.seconds, (between - begun, ended - between), strict=True):
            kept.append(seconds / len(images))
        self._note(outputs.numpy(), others)
        return outputs

    def proof(self, cases: int) -> Proof:
        """What all calls have shown."""
        sums = self._sums
        trained, exported = map(_usual, sums.seconds)
        threads, alike = torch.get_num_threads(), sums.alike / max(1, sums.told)
        return Proof(cases, sums.windows, sums.difference, sums.largest, alike, trained, exported, threads)

    def _note(self, outputs: np.ndarray, others: np.ndarray) -> None:
        sums = self._sums
        sums.windows += len(outputs)
        # NaN is no difference that is within any bound.
        apart = np.abs(outputs - others) if outputs.shape == others.shape else np.full(outputs.shape, np.inf)
        sums.difference = float(np.maximum(sums.difference, np.where(np.isnan(apart), np.inf, apart).max()))
        sums.largest = max(sums.largest, float(np.abs(outputs).max()))
        same = self._same(outputs, others) if outputs.shape == others.shape else np.zeros(1, dtype=bool)
        sums.told, sums.alike = sums.told + same.size, sums.alike + int(same.sum())

    def _same(self, outputs: np.ndarray, others: np.ndarray) -> np.ndarray:
        if self._activation is Activation.SOFTMAX:
            return np.asarray(outputs.argmax(axis=1) == others.argmax(axis=1))
        if self._activation is Activation.SIGMOID:
            return np.asarray((outputs > 0) == (others > 0))
        return np.asarray(np.isclose(outputs, others, rtol=TOLERANCE, atol=TOLERANCE))


def prove(model: TrainedModel, exported: Runner, cases: Iterable[StoredCase]) -> Proof:
    """Compare on every window of preprocessed cases, as a prediction cuts them; without any on made-up windows.

    The model lies on the CPU.
    """
    both = SideBySide(model.network, exported, target_of(model.study).activation_of(model.study))
    seen = 0
    for case in cases:
        model.task.most_probable(both, case, model.device)
        seen += 1
    if not seen:
        with torch.inference_mode():
            both(example_images(model, _MADE_UP))
    return both.proof(seen)


def example_images(model: TrainedModel, samples: int) -> Tensor:
    """Made-up windows of the study's form, always the same: float32 (samples, channels, *patch), of a normal
    distribution."""
    shape = (samples, len(model.study.inputs), *model.study.patches.size)
    return torch.from_numpy(np.random.Generator(np.random.Philox(key=0)).standard_normal(shape, dtype=np.float32))


def require_equal(proof: Proof, wanted: Format) -> None:
    """Raise `InputError` unless the two networks differ by rounding alone."""
    if proof.difference <= proof.allowed:
        return
    raise InputError.one(
        f"the network in {wanted.file} does not give what the trained one gives",
        where="--to",
        got=f"outputs up to {proof.difference:.2g} apart, in {proof.windows:,} windows",
        expected=f"at most {proof.allowed:.2g}, the rounding of outputs up to {proof.largest:.3g}",
        remedy="It was not written. Use another format, or another release of the packages that write this one",
    )


def _usual(seconds: list[float]) -> float:
    """The median, without the first: there a runtime makes itself ready."""
    return statistics.median(seconds[1:] or seconds) if seconds else 0.0

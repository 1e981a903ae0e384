"""Which steps of post-processing help: each is tried on the validation cases, and kept if the selecting metric is
better with it, as nnU-Net does with the largest component (Isensee et al. 2021)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardround.engine.experiments.chosen_steps import ChosenSteps, TriedStep, always
from wardround.engine.experiments.judging import Judge
from wardround.engine.metrics import CaseScores, summarise
from wardround.engine.store.case import StoredCase
from wardround.engine.study.part_names import PartUse
from wardround.engine.tasks import SegmentationTask, Task

Scored = Callable[[Sequence[PartUse]], float | None]
"""The selecting metric after these steps; None where it is undefined."""


@dataclass(frozen=True)
class _Kept:
    """A predicted mask, small: all those of a validation set are held at once."""

    packed: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, labels: np.ndarray) -> _Kept:
        return cls(zlib.compress(np.ascontiguousarray(labels).data, 1), labels.dtype, labels.shape)

    def labels(self) -> np.ndarray:
        return np.frombuffer(zlib.decompress(self.packed), self.dtype).reshape(self.shape)


def choose_steps(judge: Judge, task: Task, network: Any, cases: Sequence[StoredCase], device: Any) -> ChosenSteps:
    """Try the steps of a study that are kept only if they help, in its order. Every case is predicted once, with the
    study's settings of inference."""
    assert isinstance(task, SegmentationTask)
    kept = [_Kept.of(task.most_probable(network, case, device)) for case in cases]

    def scored(steps: Sequence[PartUse]) -> float | None:
        scores = [task.scores(one.labels(), case, steps) for one, case in zip(kept, cases, strict=True)]
        found = summarise([CaseScores(str(place), each) for place, each in enumerate(scores)]).get(judge.metric)
        return None if found is None else found.value

    tried = tuple(tried_in_order(judge, scored))
    return ChosenSteps(study=judge.study.digest, metric=judge.metric, steps=tried)


def tried_in_order(judge: Judge, scored: Scored) -> list[TriedStep]:
    """Each undecided step beside all that are always applied and those before it that were kept."""
    inference, dropped, found = judge.study.inference, set(judge.study.inference.undecided), list[TriedStep]()
    sign = 1 if judge.higher_is_better else -1
    without = scored(_present(inference.postprocessing, dropped))
    for place in inference.undecided:
        beside = scored(_present(inference.postprocessing, dropped - {place}))
        helps = beside is not None and without is not None and sign * beside > sign * without
        name = inference.postprocessing[place].name
        found.append(TriedStep(place=place, name=name, kept=helps, without=without, beside=beside))
        if helps:
            dropped, without = dropped - {place}, beside
    return found


def _present(steps: Sequence[PartUse], dropped: set[int]) -> tuple[PartUse, ...]:
    return tuple(always(use) for place, use in enumerate(steps) if place not in dropped)

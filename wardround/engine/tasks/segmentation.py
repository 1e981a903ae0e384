"""Segmentation: one class per voxel, or regions that overlap, over windows that overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.blame import Owner
from wardround.engine.basics.problems import Findings
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.inference import (
    ClassVolumes,
    LabelSink,
    ProbabilitySink,
    RegionSink,
    Sink,
    class_volumes,
    drain,
    predict_windows,
)
from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.inference.postprocessing import postprocessed
from wardround.engine.inspection.selection import undefined_on_background
from wardround.engine.losses import ByCase
from wardround.engine.losses.bycase import CaseLoss
from wardround.engine.losses.derived import counted_voxels
from wardround.engine.metrics import CaseScores, Evaluation, Summary, build_metrics, mask_scores, summarise
from wardround.engine.networks.taught import Accompanied
from wardround.engine.parts import Kind, answering
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling.batch import Batch, Surroundings
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse
from wardround.engine.study.sections import Inference
from wardround.engine.targets import Activation
from wardround.engine.tasks.task import Prediction, Task, frozen

_PIECE = 1 << 20
"""Probabilities that are scored at once: their intermediates stay within a few megabytes."""


class SegmentationTask(Task):
    """Probabilities blended over windows of the patch's size; the label is the most probable class, by softmax. Where a
    study names regions each has a probability of its own, by sigmoid, and the label is the class that lies in those
    which are found (`inference.Painter`): what is scored is what would be written.

    Cases are scored on their preprocessed grid, in its mm. Scores on the grid of the files come from comparing written
    predictions with the masks.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        super().__init__(study, state)
        self._metrics = build_metrics(study)

    def learn(self, network: nn.Module, batch: Batch) -> Tensor:
        """With what a network adds that learns something else beside the mask."""
        if not isinstance(network, Accompanied):
            return super().learn(network, batch)
        with answering(self.study.model.part(Kind.NETWORK).owner):
            outputs, added = network.beside(batch.image)
        return self.losses(outputs, batch) + added

    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """(classes, *spatial) probabilities on the preprocessed grid, or (regions, *spatial)."""
        sink = ProbabilitySink(len(self.study.outputs), case.geometry.shape)
        self._predict_into(network, case, device, inference, sink)
        return Prediction(sink.whole, self.study.overlaps)

    def most_probable(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> np.ndarray:
        """(*spatial) class indices before post-processing, uint8 where they fit; probabilities are held for a window's
        depth only."""
        sink = self._labels_of(case)
        self._predict_into(network, case, device, inference, sink)
        return sink.labels

    @contextmanager
    def by_class(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Iterator[ClassVolumes]:
        """The probabilities of `predict` one output at a time, while the block runs; big ones lie in a file."""
        with class_volumes(len(self.study.outputs), case.geometry.shape) as volumes:
            self._predict_into(network, case, device, inference, volumes)
            del case  # with its voxels: others are predicted while the block runs
            yield volumes

    def evaluate(
        self,
        network: nn.Module,
        cases: Sequence[StoredCase],
        subjects: Sequence[str],
        device: torch.device,
        progress: Progress = SILENT,
        inference: Inference | None = None,
    ) -> Evaluation:
        """Per case each metric over its classes or regions after post-processing, and the loss of the blended
        probabilities.

        In the summary a metric that needs a class in some mask is left out where no mask has any."""
        _require_labels(cases, subjects)
        score = self._score_by_planes if isinstance(self._loss, ByCase) else self._score_whole
        scored = []
        for done, (case, subject) in enumerate(zip(cases, subjects, strict=True), start=1):
            scored.append(CaseScores(subject, score(network, case, device, inference)))
            progress.advance(done, subject)
        summary = summarise(scored)
        if not any(self._has_class(_truth(case)) for case in cases):
            summary = self._of_empty_masks(summary)
        return Evaluation(tuple(scored), summary)

    def _has_class(self, truth: np.ndarray) -> bool:
        if self.study.ignored_class is None:
            return bool(truth.any())
        return bool(((truth > 0) & (truth != self.study.ignored_class)).any())

    def _of_empty_masks(self, summary: Mapping[str, Summary]) -> dict[str, Summary]:
        """What is defined for cases whose masks are all empty. Their Dice would come from the cases alone in which a
        network finds something, and only the one that finds nothing anywhere would have none."""
        undefined = undefined_on_background(self.study, self._metrics)
        return {name: found for name, found in summary.items() if name.partition(".")[0] not in undefined}

    def _score_by_planes(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None
    ) -> dict[str, float]:
        assert isinstance(self._loss, ByCase)
        owner = self.study.training.loss.part(Kind.LOSS).owner
        sink = self._labels_of(case)
        with answering(owner):
            loss = _LossSink(self.study, self._loss.of_case(), _truth(case), owner)
        self._predict_into(network, case, device, inference, sink, loss)
        with answering(owner):
            value = float(loss.of_case.value())
        return {"loss": value} | self.scores(sink.labels, case, self._steps(inference))

    def _score_whole(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None
    ) -> dict[str, float]:
        """For a loss that needs the whole volume at once: one copy of it, which turns into its logarithms in place."""
        label, sink = _truth(case), self._labels_of(case)
        kept = ProbabilitySink(len(self.study.outputs), case.geometry.shape)
        self._predict_into(network, case, device, inference, sink, kept)
        probabilities = torch.from_numpy(kept.whole).unsqueeze(0)
        if self.study.overlaps is None:
            logits = probabilities.clamp_min_(torch.finfo(torch.float32).tiny).log_()
        else:
            logits = ACTIVATIONS[Activation.SIGMOID].outputs_of(probabilities)
        truth = torch.from_numpy(label.astype(np.int64)).unsqueeze(0)
        around = (Surroundings(case.geometry.spacing, ()),)
        loss = float(self.losses(logits, Batch((), logits, {"mask": truth}, around)))
        return {"loss": loss} | self.scores(sink.labels, case, self._steps(inference))

    def scores(self, labels: np.ndarray, case: StoredCase, steps: Sequence[PartUse]) -> dict[str, float]:
        """The metrics of predicted class indices of a case with a mask, after steps of post-processing."""
        spacing = case.geometry.spacing
        changed = postprocessed(self.study, steps, labels, spacing)
        return mask_scores(self.study, self._metrics, changed, _truth(case), spacing)

    def _steps(self, inference: Inference | None) -> tuple[PartUse, ...]:
        return (self.study.inference if inference is None else inference).decided

    def _predict_into(
        self,
        network: nn.Module,
        case: StoredCase,
        device: torch.device,
        inference: Inference | None,
        *sinks: Sink,
    ) -> None:
        settings = self.study.inference if inference is None else inference
        predict = self.predictor(network, device, settings)
        with frozen(network):
            drain(predict_windows(predict, case.voxels, self.study.patches.size, settings, self._outside(case)), *sinks)

    def _outside(self, case: StoredCase) -> tuple[float, ...]:
        """What lies outside a case that is smaller than a window; nothing is asked of one that is not."""
        sides = zip(case.geometry.shape, self.study.patches.size, strict=True)
        return padding_of(self.study, case.voxels) if any(size < side for size, side in sides) else ()

    def _labels_of(self, case: StoredCase) -> LabelSink | RegionSink:
        regions, shape = self.study.overlaps, case.geometry.shape
        return LabelSink(len(self.study.class_names), shape) if regions is None else RegionSink(regions, shape)


class _LossSink:
    """Adds a slab's probabilities to the loss of a case whose true classes are known."""

    def __init__(self, study: Study, of_case: CaseLoss, truth: np.ndarray, owner: Owner) -> None:
        self.of_case, self._study, self._truth, self._owner = of_case, study, truth, owner

    def put(self, first: int, planes: Tensor) -> None:
        """Add planes, a few rows at a time."""
        for probabilities, classes in _pieces(planes, self._truth[first : first + len(planes)]):
            counted = counted_voxels(self._study, probabilities, classes)
            if len(counted[1]):  # of rows that are ignored throughout, nothing has a mean
                with answering(self._owner):
                    self.of_case.add(*counted)


def _pieces(planes: Tensor, truth: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """(voxels, classes) probabilities and (voxels,) classes, a few rows of a plane at a time."""
    for plane, classes in zip(planes, truth, strict=True):
        rows = max(1, _PIECE // max(1, plane[0].numel()))
        for first in range(0, len(plane), rows):
            some = torch.from_numpy(classes[first : first + rows].astype(np.int64))
            yield plane[first : first + rows].reshape(-1, plane.shape[-1]), some.reshape(-1)


def _truth(case: StoredCase) -> np.ndarray:
    assert case.label is not None
    return case.label


def _require_labels(cases: Sequence[StoredCase], subjects: Sequence[str]) -> None:
    findings = Findings()
    for case, subject in zip(cases, subjects, strict=True):
        if not case.has_label:
            findings.add("the case has no mask to compare with", where=subject, remedy="Give it a Label")
    findings.raise_if_any()

"""Segmentation: one class per voxel, by softmax over overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from wardround.engine.basics.problems import Findings
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.inference import predict_windows
from wardround.engine.metrics import CaseScores, Evaluation, SegmentationMetric, build_metrics, summarise
from wardround.engine.sampling.types import Batch
from wardround.engine.store.types import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.models import Inference
from wardround.engine.tasks.task import Prediction, Task, frozen, log_probabilities


class SegmentationTask(Task):
    """Probabilities blended over windows of the patch's size; the label is the most probable class.

    Cases are scored on their preprocessed grid, in its mm. Scores on the grid of the files come from comparing written
    predictions with the masks.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._metrics = cast(tuple[SegmentationMetric, ...], build_metrics(study))

    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """(classes, *spatial) probabilities on the preprocessed grid."""
        settings = self.study.inference if inference is None else inference
        predict = self.probabilities(network, device, settings)
        with frozen(network):
            return Prediction(predict_windows(predict, case.image, self.study.patches.size, settings))

    def evaluate(
        self,
        network: nn.Module,
        cases: Sequence[StoredCase],
        subjects: Sequence[str],
        device: torch.device,
        progress: Progress = SILENT,
        inference: Inference | None = None,
    ) -> Evaluation:
        """Per case each metric over its classes, and the loss of the blended probabilities."""
        labels = _labels(cases, subjects)
        scored = []
        for done, (case, subject, label) in enumerate(zip(cases, subjects, labels, strict=True), start=1):
            prediction = self.predict(network, case, device, inference)
            scored.append(CaseScores(subject, self._scores(prediction, label, case.geometry.spacing)))
            progress.advance(done, subject)
        return Evaluation(tuple(scored), summarise(scored))

    def _scores(self, prediction: Prediction, label: np.ndarray, spacing: Sequence[float]) -> dict[str, float]:
        found, names = prediction.labels, self.study.class_names
        scores = {"loss": self._whole_loss(prediction, label)}
        for metric in self._metrics:
            scores |= metric.scores(found, label, spacing, names)
        return scores

    def _whole_loss(self, prediction: Prediction, label: np.ndarray) -> float:
        logits = log_probabilities(prediction.probabilities)
        truth = torch.from_numpy(label.astype(np.int64)).unsqueeze(0)
        return float(self.losses(logits, Batch((), logits, truth, None)))


def _labels(cases: Sequence[StoredCase], subjects: Sequence[str]) -> list[np.ndarray]:
    findings = Findings()
    for case, subject in zip(cases, subjects, strict=True):
        if case.label is None:
            findings.add("the case has no mask to compare with", where=subject, remedy="Give it a Label")
    findings.raise_if_any()
    return [case.label for case in cases if case.label is not None]

"""Classification: one class per case, from the whole image as one patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from wardround.engine.basics.problems import Findings
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.imaging.readable import Readable, copy_region
from wardround.engine.metrics import (
    CaseScores,
    Evaluation,
    Summary,
    build_metrics,
    case_scores,
    cohort_scores,
    summarise,
)
from wardround.engine.sampling.batch import Batch
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.models import Inference
from wardround.engine.tasks.task import Prediction, Task, frozen, log_probabilities


class ClassificationTask(Task):
    """Softmax of the whole image, cropped or padded about its centre to the patch's size where they differ.

    With `inference.mirror`, probabilities are averaged over the flips of augmentation. Overlap and blend do nothing.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._metrics = build_metrics(study)

    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """(classes,) probabilities."""
        with frozen(network):
            return Prediction(self._probabilities(network, [case], device, inference)[0])

    def evaluate(
        self,
        network: nn.Module,
        cases: Sequence[StoredCase],
        subjects: Sequence[str],
        device: torch.device,
        progress: Progress = SILENT,
        inference: Inference | None = None,
    ) -> Evaluation:
        """Each metric over the cohort, per case where it is defined, and the loss. Images run in batches."""
        targets = _targets(cases, subjects)
        size = (self.study.inference if inference is None else inference).batch_size
        found: list[np.ndarray] = []
        with frozen(network):
            for first in range(0, len(cases), size):
                found.extend(self._probabilities(network, cases[first : first + size], device, inference))
                progress.advance(len(found))
        scored = [
            CaseScores(subject, self._scores(probabilities, target))
            for subject, probabilities, target in zip(subjects, found, targets, strict=True)
        ]
        return Evaluation(tuple(scored), self._summary(scored, found, targets))

    def _probabilities(
        self, network: nn.Module, cases: Sequence[StoredCase], device: torch.device, inference: Inference | None
    ) -> np.ndarray:
        """(cases, classes) probabilities."""
        settings = self.study.inference if inference is None else inference
        whole = np.stack(
            [centred(case.voxels, self.study.patches.size, padding_of(self.study, case.voxels)) for case in cases]
        )
        return self.probabilities(network, device, settings)(torch.from_numpy(whole)).cpu().numpy()

    def _scores(self, probabilities: np.ndarray, target: int) -> dict[str, float]:
        truth = torch.tensor([target])
        logits = log_probabilities(probabilities)
        scores = {"loss": float(self.losses(logits, Batch((), logits, None, truth)))}
        return scores | case_scores(self.study, self._metrics, probabilities, target)

    def _summary(
        self, scored: Sequence[CaseScores], found: Sequence[np.ndarray], targets: Sequence[int]
    ) -> dict[str, Summary]:
        if not scored:
            return {}
        return summarise(scored) | cohort_scores(self.study, self._metrics, np.stack(found), np.asarray(targets))


def centred(image: Readable, size: Sequence[int], outside: Sequence[float] = ()) -> np.ndarray:
    """float32 (channels, *size): the image cropped or padded evenly about its centre, per axis.

    What is padded has the value 0, or `outside`, which has one for each channel.
    """
    out = np.empty((image.shape[0], *size), dtype=np.float32)
    # Towards zero: what is odd is cropped from the end, and added there.
    corner = [int((length - side) / 2) for length, side in zip(image.shape[1:], size, strict=True)]
    copy_region(image, corner, out, outside)
    return out


def _targets(cases: Sequence[StoredCase], subjects: Sequence[str]) -> list[int]:
    findings = Findings()
    for case, subject in zip(cases, subjects, strict=True):
        if case.target is None:
            findings.add("the case has no class to compare with", where=subject, remedy="Give it a ValueToPredict")
    findings.raise_if_any()
    return [case.target for case in cases if case.target is not None]

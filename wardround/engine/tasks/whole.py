"""Tasks that see a whole image as one patch and say a vector of it: probabilities of classes, or numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import Findings
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.imaging.readable import Readable, copy_region
from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.metrics import (
    CaseScores,
    Evaluation,
    Summary,
    build_metrics,
    case_scores,
    cohort_scores,
    summarise,
)
from wardround.engine.parts.losses import loss_of
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.tables import as_row
from wardround.engine.sampling.batch import Batch, widened
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.sections import Inference
from wardround.engine.targets import Told, row_target_of
from wardround.engine.tasks.task import Prediction, Task, frozen


class WholeImageTask(Task):
    """A vector for the whole image, cropped or padded about its centre to the patch's size where they differ.

    With `inference.mirror`, vectors are averaged over the flips of augmentation. Overlap and blend do nothing.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        super().__init__(study, state)
        self._target, self._metrics = row_target_of(study), build_metrics(study)

    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """(outputs,) values."""
        with frozen(network):
            return Prediction(self._vectors(network, [case], device, inference)[0])

    def together(self, inference: Inference) -> int:
        """A batch of images."""
        return inference.batch_size

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
        self._require_truth(cases, subjects)
        size = self.together(self.study.inference if inference is None else inference)
        found: list[np.ndarray] = []
        with frozen(network):
            for first in range(0, len(cases), size):
                found.extend(self._vectors(network, cases[first : first + size], device, inference))
                progress.advance(len(found))
        losses = self._losses(found, cases)
        scored = [
            CaseScores(subject, {"loss": loss} | self._scores(vector, case))
            for subject, vector, case, loss in zip(subjects, found, cases, losses, strict=True)
        ]
        return Evaluation(tuple(scored), self._summary(scored, found, cases))

    def in_units(self, vectors: np.ndarray) -> np.ndarray:
        """(cases, outputs) predictions of the network in the units in which they are written and scored."""
        return vectors

    def in_outputs(self, vectors: np.ndarray) -> np.ndarray:
        """The way back from `in_units`."""
        return vectors

    def _vectors(
        self, network: nn.Module, cases: Sequence[StoredCase], device: torch.device, inference: Inference | None
    ) -> np.ndarray:
        """(cases, outputs) values."""
        settings = self.study.inference if inference is None else inference
        whole = np.stack(
            [centred(case.voxels, self.study.patches.size, padding_of(self.study, case.voxels)) for case in cases]
        )
        table = torch.from_numpy(np.stack([as_row(case.columns) for case in cases])) if self.study.columns else None
        predict = self.predictor(network, device, settings, table)
        return self.in_units(predict(torch.from_numpy(whole)).cpu().numpy())

    def _scores(self, vector: np.ndarray, case: StoredCase) -> dict[str, float]:
        return case_scores(self.study, self._metrics, vector, self._truth(case))

    def _losses(self, found: Sequence[np.ndarray], cases: Sequence[StoredCase]) -> list[float]:
        """The loss of each case: by itself, or, of a loss that compares cases, among all of them."""
        if not found:
            return []
        if loss_of(self.study.training.loss.parameters).by_sample:
            return [float(self._loss_of([vector], [case])) for vector, case in zip(found, cases, strict=True)]
        return [float(loss) for loss in self._loss_of(found, cases)]

    def _loss_of(self, found: Sequence[np.ndarray], cases: Sequence[StoredCase]) -> Tensor:
        """(cases,) losses of cases that are taken together."""
        held = [self._target.held(case) for case in cases]
        truth = {name: widened(torch.from_numpy(np.stack([each[name] for each in held]))) for name in held[0]}
        pair = ACTIVATIONS[self._target.activation_of(self.study)]
        outputs = pair.outputs_of(torch.from_numpy(self.in_outputs(np.stack(found))))
        return self.losses(outputs, Batch((), outputs, truth))

    def _summary(
        self, scored: Sequence[CaseScores], found: Sequence[np.ndarray], cases: Sequence[StoredCase]
    ) -> dict[str, Summary]:
        if not scored:
            return {}
        truths = np.asarray([self._truth(case) for case in cases])
        return summarise(scored) | cohort_scores(self.study, self._metrics, np.stack(found), truths)

    def _truth(self, case: StoredCase) -> int | np.ndarray:
        return self._target.truth(self.study, Told.of(case))

    def _require_truth(self, cases: Sequence[StoredCase], subjects: Sequence[str]) -> None:
        findings = Findings()
        for case, subject in zip(cases, subjects, strict=True):
            if not self._target.is_known(case):
                what = f"the case has no {self._target.noun} to compare with"
                findings.add(what, where=subject, remedy=self._target.remedy)
        findings.raise_if_any()


def centred(image: Readable, size: Sequence[int], outside: Sequence[float] = ()) -> np.ndarray:
    """float32 (channels, *size): the image cropped or padded evenly about its centre, per axis.

    What is padded has the value 0, or `outside`, which has one for each channel.
    """
    out = np.empty((image.shape[0], *size), dtype=np.float32)
    # Towards zero: what is odd is cropped from the end, and added there.
    corner = [int((length - side) / 2) for length, side in zip(image.shape[1:], size, strict=True)]
    copy_region(image, corner, out, outside)
    return out

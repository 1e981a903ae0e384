"""Synthesis: images that are made of images, voxel by voxel, over windows that overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import Findings
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.inference import ProbabilitySink, drain, predict_windows
from wardround.engine.losses.adversarial import AdversarialLoss
from wardround.engine.metrics import CaseScores, Evaluation, build_metrics, image_scores, summarise
from wardround.engine.networks import Outputs
from wardround.engine.networks.critic import CRITIC
from wardround.engine.networks.taught import Taught
from wardround.engine.parts import Kind, answering
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling.batch import Batch, Surroundings
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.sections import Inference
from wardround.engine.targets import target_of
from wardround.engine.tasks.task import Prediction, Task, frozen
from wardround.engine.tasks.units import Units


class SynthesisTask(Task):
    """Intensities blended over windows of the patch's size. Outputs of the network are in units of the training cases'
    spread about their mean, which the state tells; predictions and scores have the intensities of the files. Without a
    state the two are the same.

    Cases are scored on their preprocessed grid. Scores on the grid of the files come from comparing written predictions
    with the truth.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        super().__init__(study, state)
        self._metrics, self._units, self._target = build_metrics(study), Units(state), target_of(study)

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """(samples,) float32 losses in units of the spread, whatever the intensities are."""
        return super().losses(outputs, batch.with_truth(lambda images: self._units.learnt(images, 1)))

    def learn(self, network: nn.Module, batch: Batch) -> Tensor:
        """As a network is taught that has a way of its own, and beside the adversary of a loss that has one."""
        wanted = self._units.learnt(batch.truth["image"], 1)
        outputs, more = self._said(network, batch.image, wanted)
        losses = self.losses(outputs, batch)
        if isinstance(self._loss, AdversarialLoss):
            losses = losses + self._loss.against(network.get_submodule(CRITIC), batch.image, finest(outputs), wanted)
        return losses if more is None else losses + more

    def _said(self, network: nn.Module, images: Tensor, wanted: Tensor) -> tuple[Outputs, Tensor | None]:
        if isinstance(network, Taught):
            with answering(self.study.model.part(Kind.NETWORK).owner):
                return network.taught(images, wanted)
        return self.outputs(network, images), None

    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """float32 (outputs, *spatial) intensities on the preprocessed grid."""
        return Prediction(self._units.outside(self._outputs(network, case, device, inference), 0).astype(np.float32))

    def evaluate(
        self,
        network: nn.Module,
        cases: Sequence[StoredCase],
        subjects: Sequence[str],
        device: torch.device,
        progress: Progress = SILENT,
        inference: Inference | None = None,
    ) -> Evaluation:
        """Per case each metric of each image, and the loss of the whole case."""
        self._require_truth(cases, subjects)
        scored = []
        for done, (case, subject) in enumerate(zip(cases, subjects, strict=True), start=1):
            scored.append(CaseScores(subject, self._scored(self._outputs(network, case, device, inference), case)))
            progress.advance(done, subject)
        return Evaluation(tuple(scored), summarise(scored))

    def _scored(self, outputs: np.ndarray, case: StoredCase) -> dict[str, float]:
        truth = case.wanted_image
        assert truth is not None
        one, known = (torch.from_numpy(self._filled(each)).unsqueeze(0) for each in (outputs, truth))
        batch = Batch((), one, {"image": known}, (_around(case),))
        made, spacing = self._units.outside(outputs, 0), case.geometry.spacing
        scores = image_scores(self.study, self._metrics, made, truth, spacing)
        return {"loss": float(self.losses(one, batch)), **scores}

    def _filled(self, images: np.ndarray) -> np.ndarray:
        """At least as large as a patch, as losses are told of in a study: the outermost voxels are repeated."""
        sides = zip(self.study.patches.size, images.shape[1:], strict=True)
        missing = [max(0, wanted - side) for wanted, side in sides]
        return np.pad(images, [(0, 0), *((each // 2, each - each // 2) for each in missing)], mode="edge")

    def _outputs(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None
    ) -> np.ndarray:
        """float32 (outputs, *spatial) in the network's units."""
        settings = self.study.inference if inference is None else inference
        kept = ProbabilitySink(len(self.study.outputs), case.geometry.shape)
        predict = self.predictor(network, device, settings)
        outside = padding_of(self.study, case.voxels)
        with frozen(network):
            drain(predict_windows(predict, case.voxels, self.study.patches.size, settings, outside), kept)
        return kept.whole

    def _require_truth(self, cases: Sequence[StoredCase], subjects: Sequence[str]) -> None:
        findings = Findings()
        for case, subject in zip(cases, subjects, strict=True):
            if not self._target.is_known(case):
                what = f"the case has no {self._target.noun} to compare with"
                findings.add(what, where=subject, remedy=self._target.remedy)
        findings.raise_if_any()


def finest(outputs: Outputs) -> Tensor:
    """Those on the grid of the images."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def _around(case: StoredCase) -> Surroundings:
    return Surroundings(case.geometry.spacing, ())

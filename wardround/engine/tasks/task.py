"""What a task is: everything that depends on what a study predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.inference import Predictor, mirrored
from wardround.engine.losses import build_loss, losses_of
from wardround.engine.metrics import Evaluation
from wardround.engine.networks import build_network, logits_of
from wardround.engine.networks.precision import autocast, plain_fp32, resolve_precision
from wardround.engine.sampling.batch import Batch
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.models import Inference


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of one case, float32.

    Attributes:
        probabilities: (classes, *spatial) on the preprocessed grid for a segmentation, (classes,) for a classification.
    """

    probabilities: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The index of the most probable class, per voxel or of the case."""
        return np.asarray(np.argmax(self.probabilities, axis=0))


class Task(ABC):
    """Network, loss, metrics and inference of one study.

    `predict` and `evaluate` run the network in evaluation mode and without gradients, put every layer's mode back, and
    neither read nor change random state.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._loss = build_loss(study)

    def network(self) -> nn.Module:
        """The study's network with its initial weights, on the CPU."""
        return build_network(self.study)

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 losses of the network's outputs for a batch on the same device."""
        return losses_of(self.study, self._loss, outputs, batch)

    def logits(self, network: nn.Module, images: Tensor) -> Tensor:
        """The outputs of a network of the study for images on its device."""
        return logits_of(self.study, network, images)

    @abstractmethod
    def predict(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> Prediction:
        """The prediction for one case by a network that lies on `device`; `inference` replaces the study's."""

    def most_probable(
        self, network: nn.Module, case: StoredCase, device: torch.device, inference: Inference | None = None
    ) -> np.ndarray:
        """The labels of `predict`, where its probabilities are not needed."""
        return self.predict(network, case, device, inference).labels

    @abstractmethod
    def evaluate(
        self,
        network: nn.Module,
        cases: Sequence[StoredCase],
        subjects: Sequence[str],
        device: torch.device,
        progress: Progress = SILENT,
        inference: Inference | None = None,
    ) -> Evaluation:
        """Scores of cases with truth, on the preprocessed grid.

        `subjects` names the cases, in their order. `inference` replaces the study's (see `inference.quick`). The
        summary has the study's metrics and `loss`: the study's loss of each whole case, taken on the logarithm of the
        predicted probabilities. Raises `InputError` naming every case that has no truth.
        """

    def probabilities(self, network: nn.Module, device: torch.device, inference: Inference) -> Predictor:
        """Maps images on the CPU to the softmax of the network's logits, averaged over mirror images if so set.

        The network computes in the study's precision, as it does in training.
        """
        precision = resolve_precision(self.study.training.precision, device)

        def softmax(images: Tensor) -> Tensor:
            with plain_fp32(), autocast(precision, device):
                logits = self.logits(network, images.to(device))
            return logits.float().softmax(dim=1)

        return mirrored(softmax, self.study.flipped_axes) if inference.mirror else softmax


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients while the block runs; afterwards each layer's mode is what it was."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def log_probabilities(probabilities: np.ndarray) -> Tensor:
    """Logits of given probabilities (classes, *grid), as a batch of one; zeros become float32's smallest number."""
    tensor = torch.from_numpy(np.ascontiguousarray(probabilities)).unsqueeze(0)
    return tensor.clamp_min(torch.finfo(torch.float32).tiny).log()

"""What a task is: everything that depends on what a study predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.inference import Painter, Predictor, mirrored, scaled
from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.losses import build_loss, losses_of, supervised
from wardround.engine.metrics import Evaluation
from wardround.engine.networks import Outputs, build_network, logits_of, outputs_of
from wardround.engine.networks.precision import autocast, plain_fp32, resolve_precision
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling.batch import Batch
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.regions import Regions
from wardround.engine.study.sections import Inference
from wardround.engine.targets import target_of
from wardround.engine.tasks.encoder import TableEncoder


@dataclass(frozen=True)
class Prediction:
    """What a model says of one case.

    Attributes:
        values: of each output, (outputs, *spatial) on the preprocessed grid where each voxel has its own truth, or else
            (outputs,): probabilities of classes or intensities of images that are made, float32, or numbers in the unit
            of the table, float64.
        regions: how the outputs lie over classes, where they are regions.
    """

    values: np.ndarray
    regions: Regions | None = None

    @property
    def labels(self) -> np.ndarray:
        """The index of the greatest value: of the most probable class, per voxel or of the case. Where values are those
        of regions, the class by which a voxel is written (`inference.Painter`)."""
        if self.regions is None:
            return np.asarray(np.argmax(self.values, axis=0))
        painter = Painter(self.regions)
        return painter.labels(painter.codes(self.values))


class Task(ABC):
    """Network, loss, metrics and inference of one study.

    A part of the kind `task` names one, which is made from a study and what was fitted to its training cases; what
    depends on the truth of a case alone is its `engine.targets.Target`.

    `predict` and `evaluate` run the network in evaluation mode and without gradients, put every layer's mode back, and
    neither read nor change random state.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        self.study = study
        self._loss, self._encoder = build_loss(study), TableEncoder(study, state)

    def network(self) -> nn.Module:
        """The study's network with its initial weights, on the CPU."""
        return build_network(self.study)

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """(samples,) float32 losses of the network's outputs for a batch on the same device; of outputs on several
        grids, their weighted mean (`losses.supervised`)."""
        return supervised(partial(losses_of, self.study, self._loss), outputs, batch)

    def learn(self, network: nn.Module, batch: Batch) -> Tensor:
        """(samples,) float32 losses of a step: of what a network in training says of a batch on its device."""
        return self.losses(self.outputs(network, batch.image, batch.table), batch)

    def outputs(self, network: nn.Module, images: Tensor, table: Tensor | None = None) -> Outputs:
        """What a network of the study says of images on its device, and of rows of its columns: in training it may say
        it on several grids."""
        return outputs_of(self.study, network, images, self._features(table))

    def logits(self, network: nn.Module, images: Tensor, table: Tensor | None = None) -> Tensor:
        """The outputs of a network of the study for images on its device, on their own grid alone; `table` has rows of
        its columns (`Batch.table`)."""
        return logits_of(self.study, network, images, self._features(table))

    def _features(self, table: Tensor | None) -> Tensor | None:
        return None if table is None else self._encoder(table)

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
        summary has the study's metrics and `loss`: the study's loss of each whole case, taken on what was predicted
        (of probabilities, on their logarithms). Raises `InputError` naming every case that has no truth.
        """

    def together(self, inference: Inference) -> int:
        """How many cases an evaluation computes at once."""
        return 1

    def predictor(
        self, network: nn.Module, device: torch.device, inference: Inference, table: Tensor | None = None
    ) -> Predictor:
        """Maps images on the CPU to the network's activated outputs, averaged over scales and mirror images if so
        set.

        The network computes in the study's precision, as it does in training. `table` has the rows of all images.
        """
        precision = resolve_precision(self.study.training.precision, device)
        rows = None if table is None else table.to(device)
        activate = ACTIVATIONS[target_of(self.study).activation_of(self.study)].activate

        def predict(images: Tensor) -> Tensor:
            with plain_fp32(), autocast(precision, device):
                outputs = self.logits(network, images.to(device), rows)
            return activate(outputs.float())

        at_scales = scaled(predict, inference.scales, self.study.divisors)
        return mirrored(at_scales, self.study.flipped_axes) if inference.mirror else at_scales


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

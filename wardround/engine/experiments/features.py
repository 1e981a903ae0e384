"""The code of each case, as a network says it that has one, in a table of its own beside predictions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import Problem
from wardround.engine.experiments.ensemble import Ensemble
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.inference.coding import mean_code
from wardround.engine.networks.precision import autocast, plain_fp32, resolve_precision
from wardround.engine.networks.taught import Encoding
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.tasks.task import frozen

FEATURES = "features.csv"


def feature_problems(ensemble: Ensemble) -> Iterator[Problem]:
    """Why there are no codes of these models."""
    if len(ensemble.members) > 1:
        what, got = "codes of several models cannot be compared", f"{len(ensemble.members)} models"
        yield Problem(what, "--features", got, "one model", "Name one of them")
    elif not isinstance(ensemble.members[0].network, Encoding):
        what, got = "the network of this model has no code", ensemble.study.model.name
        yield Problem(what, "--features", got, "an autoencoder", "Leave `--features` out")


def code_of(model: TrainedModel, stored: StoredCase) -> np.ndarray:
    """(features,) float32: the mean code of a case, over windows and their places."""
    network, study = model.network, model.study
    encoder: object = network
    assert isinstance(encoder, Encoding)
    precision = resolve_precision(study.training.precision, model.device)

    def encode(images: Tensor) -> Tensor:
        with plain_fp32(), autocast(precision, model.device):
            return encoder.encoded(images.to(model.device)).float().cpu()

    outside = padding_of(study, stored.voxels)
    with frozen(model.network):
        return mean_code(encode, stored.voxels, study.patches.size, study.inference, outside)


class FeatureTable:
    """Keeps a row for each case, and writes them at the end."""

    def __init__(self, folder: Path) -> None:
        self._made = Made(folder, PREDICT)
        self._rows: list[tuple[str, np.ndarray]] = []

    def add(self, subject: str, code: np.ndarray) -> None:
        """Keep a row."""
        self._rows.append((subject, code))

    def write(self) -> tuple[Path, ...]:
        """`SubjectID`, `Feature_0` and so on, the shortest text of each float32; nothing where there is no row."""
        if not self._rows:
            return ()
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["SubjectID", *(f"Feature_{number}" for number in range(len(self._rows[0][1])))])
        writer.writerows([subject, *map(str, code)] for subject, code in self._rows)
        with self._made.writing(FEATURES) as path:
            write_atomic(path, buffer.getvalue().encode())
        return (self._made.folder / FEATURES,)

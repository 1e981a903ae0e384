"""Cases that are cut: the store has what preprocessing makes, and predictions are background where nothing was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.experiments.cohorts import solid_cohort, solid_study
from wardround.engine.cohort import Case
from wardround.engine.cohort.columns import Truth
from wardround.engine.cohort.manifest import read_manifest
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.prediction import in_memory, predict_case
from wardround.engine.imaging import read_image
from wardround.engine.preprocessing import Pipeline, read_sample
from wardround.engine.store import CaseStore
from wardround.engine.study import Study
from wardround.engine.tasks import build_task

ABOVE = 128.0
CUTTING: dict[str, list[Any]] = {
    "cut": [{"crop_foreground": {"above": ABOVE, "margin": 1}}],
    "turned and cut": [{"orient": "SRA"}, {"crop_foreground": {"above": ABOVE, "margin": 1}}, "z_normalize"],
    "cut, resampled and padded": [
        {"crop_foreground": {"above": ABOVE, "margin": 1}},
        {"resample": [1.5, 1.1, 2.5]},
        {"pad_to_multiple": 4},
        "robust_normalize",
    ],
}


class _Always(torch.nn.Module):
    """Finds the second class everywhere."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        outputs = torch.zeros(len(image), 2, *image.shape[2:])
        outputs[:, 1] = 9
        return outputs


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    manifest = solid_cohort(tmp_path_factory.mktemp("solid"), cases=1)
    return read_manifest(manifest, solid_study(), truth=Truth.REQUIRED).cases[0]


def _study(name: str) -> Study:
    return solid_study(preprocessing=CUTTING[name])


@pytest.mark.parametrize("name", CUTTING)
def test_a_model_that_finds_it_everywhere_finds_it_where_it_has_looked(case: Case, name: str) -> None:
    study = _study(name)
    task = build_task(study)
    found = predict_case(TrainedModel(study, task, _Always(), torch.device("cpu")), case).labels
    values = read_image(case.channels[0]).data[0]
    places = np.argwhere(values > ABOVE)
    low, high = np.maximum(places.min(axis=0) - 1, 0), places.max(axis=0) + 2
    expected = np.zeros(values.shape, np.uint8)
    expected[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = 1
    assert 0 < expected.sum() < 0.8 * expected.size
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CUTTING)
def test_what_is_stored_is_what_is_made(case: Case, name: str, tmp_path: Path) -> None:
    study = _study(name)
    made = in_memory(Pipeline(study), case, read_sample(study, case))
    for _ in range(2):  # built, then found by another process
        stored = CaseStore(tmp_path / "store").open_case(study, case)
        np.testing.assert_array_equal(stored.image, made.image)
        np.testing.assert_array_equal(stored.label, made.label)
        assert (stored.geometry, stored.native, stored.cut_to) == (made.geometry, made.native, made.cut_to)
    assert len(made.cut_to) == 1

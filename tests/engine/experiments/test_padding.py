"""What lies outside a case is said by the study, used wherever a case is padded, and told of amid its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.inspection import Depth, check_manifest
from wardround.engine.study import Study
from wardround.engine.tasks import build_task

SIZE = [32, 32]


def _study(**patches: Any) -> Study:
    return flat_study(patches={"size": SIZE, **patches}, preprocessing=[{"rescale": {"low": -1, "high": 1}}])


def test_old_studies_keep_their_digest_and_a_padding_changes_it() -> None:
    assert _study().digest == _study(padding=0).digest == _study(padding=0.0).digest
    assert len({_study(padding=value).digest for value in (0, -1, "minimum")}) == 3


def test_a_padding_amid_the_values_is_told_once_for_all_cases(tmp_path: Path) -> None:
    manifest = flat_cohort(tmp_path / "data", cases=9)
    told = [notice.render() for notice in check_manifest(_study(), manifest, Depth.STEPS).inspection.notices]
    (amid,) = [line for line in told if "amid their values" in line]
    assert "'case_000', 'case_001', 'case_002' and 6 more" in amid
    assert "got 0 beside values from -1 to 1" in amid
    assert "patches.padding" in amid
    (again,) = Workbench.open(_study(), manifest, tmp_path / "work", device="cpu").padding_notices()
    assert again.render() == amid
    for better in (-1, "minimum"):
        found = check_manifest(_study(padding=better), manifest, Depth.STEPS).inspection.notices
        assert not any("amid" in notice.render() for notice in found)
        assert any("smaller than the patch" in notice.render() for notice in found)


class _Least(nn.Module):
    """Says how low its input goes, where a network would say how likely a class is."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.seen: list[float] = []
        self._dimensions = dimensions

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(float(image[0, 0].flatten()[0]))
        return torch.zeros(len(image), 2, *image.shape[2 : 2 + self._dimensions])


@pytest.mark.parametrize("padding", [-1.0, "minimum", 0.0])
@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_training_and_prediction_pad_alike(tmp_path: Path, task: str, padding: float | str) -> None:
    steps = [{"rescale": {"low": -1, "high": 1}}]
    if task == "segmentation":
        study, manifest = _study(padding=padding), flat_cohort(tmp_path / "data", cases=9)
    else:
        study = halves_study(patches={"size": SIZE, "padding": padding}, preprocessing=steps)
        manifest = halves_cohort(tmp_path / "data", cases=12)
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu")
    expected = 0.0 if padding == 0.0 else -1.0
    assert (bench.source().batch(0).image[:, 0, 0, 0] == expected).all()
    network = _Least(2 if task == "segmentation" else 0)
    built = build_task(study)
    built.predict(network, bench.validation_cases[0], torch.device("cpu"))
    built.most_probable(network, bench.validation_cases[0], torch.device("cpu"))
    mirrored = study.inference.model_copy(update={"mirror": True})
    built.predict(network, bench.validation_cases[0], torch.device("cpu"), mirrored)
    np.testing.assert_array_equal(network.seen, expected)

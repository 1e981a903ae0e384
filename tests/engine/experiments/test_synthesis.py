"""Synthesis from a table to a page: images that are made of images, in the intensities of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.engine.experiments.made import made_cohort, made_study
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments import Workbench, fit, load_model
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.prediction import write_predictions
from wardround.engine.imaging import read_image


def test_it_learns_writes_and_scores_in_the_intensities_of_the_files(tmp_path: Path) -> None:
    study, manifest = made_study(), made_cohort(tmp_path / "data")
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    (scale,) = bench.state.truth
    truths = [read_image(case.targets[0]).data for case in bench.split.train]
    np.testing.assert_allclose([scale.mean, scale.deviation], [np.mean(truths), np.std(truths)], rtol=1e-6)
    result = fit(bench, tmp_path / "run")
    assert result.metrics.test is not None
    assert result.metrics.test.values["ncc"] > 0.9
    assert result.metrics.test.values["mae"] < scale.deviation / 3, "the mean image would be off by more"
    model = load_model(result.model, device="cpu")
    written = write_predictions(model, read_manifest(manifest, study, truth=Truth.UNREAD), tmp_path / "out")
    assert [path.name for path in written.files] == [f"case-{number}.tif" for number in range(9)]
    assert read_image(written.files[0]).data.dtype == np.float32
    cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
    of_model = evaluate_cohort(study, cohort, model_predictor(study, model))
    assert of_model == evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))

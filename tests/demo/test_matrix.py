"""The table of models and hospitals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.demo.matrix import Matrix, Row, score_models
from wardround.engine.basics.progress import Silent
from wardround.engine.experiments import Workbench, fit, load_model

MATRIX = Matrix(
    "dice",
    ("a", "b", "c"),
    (
        Row("a", "a", {"a": 0.9, "b": 0.5, "c": 0.4}),
        Row("b", "b", {"a": 0.6, "b": 0.8, "c": 0.4}),
        Row("c", "c", {"a": 0.3, "b": 0.3, "c": 0.6}),
        Row("federated", None, {"a": 0.88, "b": 0.8, "c": 0.66}),
        Row("pooled", None, {"a": 0.9, "b": 0.81, "c": 0.69}),
    ),
)


def test_home_elsewhere_and_mean_of_a_model_trained_alone() -> None:
    row = MATRIX.rows[0]
    assert (row.at_home, row.elsewhere, row.mean) == pytest.approx((0.9, 0.45, 0.6))


def test_a_shared_model_is_at_home_everywhere() -> None:
    row = MATRIX.shared("federated")
    assert row.at_home == row.elsewhere == row.mean == pytest.approx(0.78)


def test_elsewhere_of_a_shared_model_is_the_mean_over_every_hospitals_others() -> None:
    scores = MATRIX.shared("pooled").scores
    others = [sum(scores[site] for site in scores if site != home) / 2 for home in scores]
    assert MATRIX.shared("pooled").elsewhere == pytest.approx(sum(others) / 3)


def test_the_gain_compares_means_over_all_hospitals() -> None:
    assert MATRIX.alone_mean == pytest.approx((0.6 + 0.6 + 0.4) / 3)
    assert MATRIX.gain == pytest.approx(0.78 - MATRIX.alone_mean)


def test_the_text_has_a_row_for_each_model_and_one_for_their_mean() -> None:
    lines = MATRIX.text().splitlines()
    assert lines[0].split() == ["model", "a", "b", "c", "at", "home", "elsewhere", "mean"]
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "a alone",
        "b alone",
        "c alone",
        "mean of those alone",
        "together (federated)",
        "all data pooled",
    ]
    assert len({len(line) for line in lines}) == 1


def test_every_saved_form_says_the_same(tmp_path: Path) -> None:
    paths = MATRIX.save(tmp_path, "table")
    assert [path.suffix for path in paths] == [".txt", ".md", ".csv", ".json"]
    rows = list(csv.DictReader(paths[2].open(newline="")))
    content = json.loads(paths[3].read_text())
    assert [float(row["mean"]) for row in rows] == pytest.approx([row.mean for row in MATRIX.rows], abs=1e-6)
    assert [model["mean"] for model in content["models"]] == pytest.approx([row.mean for row in MATRIX.rows])
    assert content["gain"] == pytest.approx(MATRIX.gain)
    assert paths[1].read_text().count("|") == 8 * 8


def test_every_model_sees_the_cases_as_its_own_cases_have_fitted_them(tmp_path: Path) -> None:
    study = flat_study(preprocessing=[{"cohort_normalize": {"within": "all"}}])
    manifests = {name: flat_cohort(tmp_path / name, cases=8) for name in "ab"}
    for path in (tmp_path / "b" / "images").iterdir():
        Picture.fromarray(np.asarray(Picture.open(path)) // 3).save(path)
    benches = {
        name: Workbench.open(study, manifest, tmp_path / f"{name}-work", device="cpu", threads=1)
        for name, manifest in manifests.items()
    }
    models = {name: fit(bench, tmp_path / f"{name}-run").model for name, bench in benches.items()}
    matrix = score_models(models, manifests, tmp_path / "scoring", Silent(), threads=1)
    differ = []
    assert benches["a"].state != benches["b"].state
    for row in matrix.rows:
        model = load_model(models[row.model], device="cpu")
        for site, bench in benches.items():
            subjects = [case.subject for case in bench.split.test]
            cases = bench.with_state(model.state).test_cases
            found = model.task.evaluate(model.network, cases, subjects, model.device)
            assert row.scores[site] == found.summary["dice"].value
            others = model.task.evaluate(model.network, bench.test_cases, subjects, model.device)
            differ.append(others.summary["dice"].value != row.scores[site])
    assert any(differ), "it matters whose fitted values are used"

"""Splits of real cohorts, and the table over several seeds."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.real_images import DATA_SETS, Run, Shares, markdown, seeded_study, split_manifest
from tests.support.shared_data import shared_data
from wardround.demo.matrix import Matrix, Row
from wardround.engine.study import load_study
from wardround.lab.manifests import write_manifest

PNEUMONIA = DATA_SETS["pneumonia"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One hospital with 40 cases of class 1 and 10 of class 0."""
    rows = [(f"s{number}", f"images/{number}.png", "0" if number % 5 == 0 else "1") for number in range(50)]
    return write_manifest(tmp_path / "riverside.csv", ("SubjectID", "Channel_0", "ValueToPredict"), rows)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(newline="")))


def test_a_split_is_stratified_and_has_the_shares(tmp_path: Path, source: Path) -> None:
    rows = _rows(split_manifest(source, tmp_path / "out.csv", PNEUMONIA, Shares(), seed=1))
    counts = Counter((row["ValueToPredict"], row["Split"]) for row in rows)
    assert counts["1", "test"] == 8
    assert counts["0", "test"] == 2
    assert counts["1", "validation"] == 5
    assert counts["0", "validation"] == 2
    assert sum(counts.values()) == 50
    assert rows[7]["Channel_0"] == str(tmp_path / "images" / "7.png")


def test_a_split_is_a_function_of_the_seed(tmp_path: Path, source: Path) -> None:
    paths = [split_manifest(source, tmp_path / f"{n}.csv", PNEUMONIA, Shares(), s) for n, s in enumerate((1, 1, 2))]
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_a_seeded_study_differs_in_its_seed_alone(tmp_path: Path) -> None:
    study = seeded_study("pneumonia", 7, tmp_path / "study.yaml")
    written = load_study(tmp_path / "study.yaml")
    assert written == study
    assert written.seed == 7
    assert written.model_copy(update={"seed": 42}) == seeded_study("pneumonia", 42, tmp_path / "other.yaml")


def test_the_table_gives_mean_and_deviation_over_seeds() -> None:
    def result(seed: int, together: float) -> Run:
        rows = (
            Row("a", "a", {"a": 0.9, "b": 0.5}),
            Row("b", "b", {"a": 0.6, "b": 0.8}),
            Row("federated", None, {"a": together, "b": together}),
            Row("pooled", None, {"a": 0.9, "b": 0.9}),
        )
        return Run(seed, Matrix("auc", ("a", "b"), rows), {}, 1.0, 1.0)

    table = markdown([result(1, 0.8), result(2, 0.9)])
    assert "| together (federated) | 0.850 ± 0.071 |" in table
    assert "| a alone | 0.900 ± 0.000 | 0.500 ± 0.000 |" in table
    assert "Metric: auc. Together against alone, mean over hospitals: 0.150 ± 0.071 (2 seeds)." in table
    errors = replace(result(1, 0.3), matrix=replace(result(1, 0.3).matrix, metric="mae"))
    assert "Metric: mae, of which less is better. " in markdown([errors])


@pytest.mark.shared_data
@pytest.mark.parametrize("name", sorted(DATA_SETS))
def test_the_real_manifests_can_be_split(tmp_path: Path, name: str) -> None:
    data = DATA_SETS[name]
    for site in data.sites:
        rows = _rows(split_manifest(shared_data() / name / f"{site}.csv", tmp_path / "out.csv", data, Shares(), 42))
        counts = Counter(row["Split"] for row in rows)
        assert set(counts) == {"train", "validation", "test"}
        assert counts["test"] / len(rows) == pytest.approx(0.2, abs=0.02)
        assert all(Path(row["Channel_0"]).exists() for row in rows)

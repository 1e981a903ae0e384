"""Pooled manifests, and the plan of what is compared."""

from __future__ import annotations

import csv
from pathlib import Path

from wardround.demo.baselines import plan_baselines, pool_manifests
from wardround.lab.manifests import write_manifest


def _manifests(folder: Path) -> dict[str, Path]:
    columns = ("SubjectID", "PatientID", "Channel_0", "Label", "Split")
    rows = [("1", "p", "images/1.nii.gz", "masks/1.nii.gz", "train"), ("2", "", "/abs/2.nii.gz", "m.nii.gz", "test")]
    return {name: write_manifest(folder / name / "data.csv", columns, rows) for name in ("north", "south")}


def test_pooling_keeps_subjects_apart_and_makes_paths_absolute(tmp_path: Path) -> None:
    pooled = pool_manifests(_manifests(tmp_path), tmp_path / "pooled.csv")
    rows = list(csv.DictReader(pooled.open(newline="")))
    assert [row["SubjectID"] for row in rows] == ["north-1", "north-2", "south-1", "south-2"]
    assert [row["PatientID"] for row in rows] == ["north-p", "", "south-p", ""]
    assert rows[0]["Channel_0"] == str(tmp_path / "north" / "images" / "1.nii.gz")
    assert rows[1]["Channel_0"] == "/abs/2.nii.gz"
    assert rows[2]["Label"] == str(tmp_path / "south" / "masks" / "1.nii.gz")
    assert [row["Split"] for row in rows] == ["train", "test"] * 2


def test_columns_that_one_hospital_lacks_are_left_empty(tmp_path: Path) -> None:
    manifests = _manifests(tmp_path)
    manifests["west"] = write_manifest(tmp_path / "west.csv", ("SubjectID", "Age"), [("9", "61")])
    rows = list(csv.DictReader(pool_manifests(manifests, tmp_path / "pooled.csv").open(newline="")))
    assert (rows[0]["Age"], rows[-1]["Age"], rows[-1]["Label"]) == ("", "61", "")


def test_there_is_a_baseline_for_each_hospital_and_one_for_all(tmp_path: Path) -> None:
    runs = plan_baselines(tmp_path / "runs", _manifests(tmp_path))
    assert [run.name for run in runs] == ["north", "south", "pooled"]
    assert len({run.folder for run in runs}) == 3
    assert all(run.manifest.is_absolute() for run in runs)

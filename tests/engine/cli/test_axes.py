"""Images with another number of axes than the study: one error, with all lines to change, after which it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.commands import run_wardround
from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, changed, write_study

FLAT: dict[str, Any] = {
    "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
    "patches": {"size": [16, 16], "per_case": 1},
}
SOLID: dict[str, Any] = {
    "model": {"name": "unet", "dimensions": 3, "filters": 4, "levels": 2},
    "patches": {"size": [16, 16, 16], "per_case": 1},
}
FOR_VOLUMES = "the images are volumes (3 axes), and the study is for flat images"


@pytest.mark.parametrize("steps", [["orient"], [{"orient": "RAS"}, {"resample": [1, 1]}], []], ids=str)
def test_a_study_of_slices_for_volumes_is_told_with_all_lines(hospital: Hospital, steps: list[Any]) -> None:
    resampled = bool(steps) and steps[-1] != "orient"
    hospital.study(changed(SEGMENTATION, **FLAT, preprocessing=[*steps, "z_normalize"]))
    words = ["`dimensions: 3` in `model` (line ", "`size: [16, 16, 16]` in `patches` (line "]
    said = hospital.refuse(FOR_VOLUMES, *words, *(["`resample: [1, 1, 2]`"] if resampled else []))
    assert said.count("error: ") == 1
    assert "orient" not in said
    mended = [*steps[:-1], {"resample": [1, 1, 2]}] if resampled else steps
    hospital.study(changed(SEGMENTATION, **SOLID, preprocessing=[*mended, "z_normalize"]))
    assert hospital.check().code == 0


def test_dimensions_alone_are_to_change_where_all_else_fits(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, model=FLAT["model"], preprocessing=[{"resample": [1, 1, 1]}]))
    said = hospital.refuse(FOR_VOLUMES, "Write in the study `dimensions: 3` in `model`", "; or give other files")
    assert said.count("error: ") == 1
    assert "`size" not in said


def test_training_says_the_same(hospital: Hospital) -> None:
    for steps in (["orient"], []):
        hospital.study(changed(SEGMENTATION, **FLAT, preprocessing=steps))
        outcome = run_wardround(
            "fit", hospital.folder / "study.yaml", "--manifest", hospital.manifest, "--out", hospital.folder / "run"
        )
        assert outcome.code == 2
        assert outcome.err.count("error: ") == 1
        assert FOR_VOLUMES in outcome.err


def test_a_study_of_volumes_for_photographs(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(40, 48))
    steps: list[Any] = ["orient", {"resample": {"spacing": [1, 1, 1]}}, "z_normalize"]
    flips = [{"flip": {"axes": [0, 2], "probability": 0.5}}]
    write_study(tmp_path / "study.yaml", changed(SEGMENTATION, **SOLID, preprocessing=steps, augmentation=flips))
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    for words in (
        "the images are flat (2 axes), and the study is for volumes",
        "`dimensions: 2` in `model`",
        "`size: [16, 16]` in `patches`",
        "`spacing: [1, 1]` in `resample`",
        "`axes: [0]` in `flip`",
        "and take `orient` out",
    ):
        assert words in outcome.err
    steps, flips = [{"resample": {"spacing": [1, 1]}}, "z_normalize"], [{"flip": {"axes": [0], "probability": 0.5}}]
    write_study(tmp_path / "study.yaml", changed(SEGMENTATION, **FLAT, preprocessing=steps, augmentation=flips))
    assert run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest).code == 0


def test_where_images_fit_the_model_its_lines_are_told_one_by_one(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, patches={"size": [16, 16]}, preprocessing=[{"resample": [1, 1]}]))
    said = hospital.refuse("patches.size: the number of axes does not fit", "such as [16, 16, 16]")
    assert said.count("error: ") == 2
    assert FOR_VOLUMES not in said


def test_a_wrong_word_is_told_beside_the_axes(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, **FLAT, preprocessing=["orient"], training={"loss": "nono"}))
    said = hospital.refuse(FOR_VOLUMES)
    assert "unknown loss 'nono'" in said
    assert said.count("error: ") == 2

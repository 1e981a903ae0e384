"""`wardround check` and the values of masks: more labels than classes, none at all, and what is no label."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from tests.engine.cli.hospital import Hospital
from tests.support.commands import run_wardround
from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments import Workbench
from wardround.engine.imaging import Image, read_image, read_label, write_image, write_label
from wardround.engine.study import load_study

FULL = ("--full",)
FLAT = changed(
    SEGMENTATION,
    preprocessing=[{"z_normalize": {"within": "all"}}],
    patches={"size": [16, 16], "per_case": 2},
    model={"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
)
"""A study of photographs."""


def relabel(path: Path, change: dict[int, int]) -> None:
    """Give the voxels of some values others."""
    mask, grid = read_label(path)
    changed_mask = mask.astype(np.uint16)
    for old, new in change.items():
        changed_mask[mask == old] = new
    write_label(path, changed_mask, grid)


def fractions(path: Path, values: np.ndarray) -> None:
    """Give a mask these values in its first voxels, as a file of floats."""
    mask, grid = read_label(path)
    floats = mask.astype(np.float32)
    floats.reshape(-1)[: values.size] = values
    write_image(path, Image(floats[None], grid))


def test_more_labels_than_classes_are_told_once_and_both_ways_out_work(hospital: Hospital) -> None:
    for number in range(4):
        relabel(hospital.mask(number), {2: 7})
    relabel(hospital.mask(1), {1: 300})
    said = hospital.refuse("in 4 cases the mask has values outside the study's classes", options=FULL)
    assert said.count("error: ") == 1
    assert "7 in 4 cases ('case_000', 'case_001', 'case_002' and 1 more); 300 in 1 case ('case_001')" in said
    assert "expected 0 (background), 1 (left), 2 (right)" in said
    assert "`left: [1, 7]`" in said
    assert "`rest: background`" in said
    hospital.study(changed(SEGMENTATION, classes={"left": [1, 300], "right": [2, 7]}))
    outcome = hospital.check(*FULL)
    assert outcome.code == 0
    assert "classes  background (0), left (1 or 300), right (2 or 7)\n" in outcome.out
    hospital.study(changed(SEGMENTATION, rest="background"))
    outcome = hospital.check(*FULL)
    assert outcome.code == 0
    assert "right (2); every other value counts as background\n" in outcome.out
    assert "note: data.csv: the value 7, which 4 of 6 masks have, counts as background: 'case_000'" in outcome.out
    assert "note: data.csv: the value 300, which 1 of 6 masks have" in outcome.out


def test_masks_without_any_class_are_refused(hospital: Hospital, tmp_path: Path) -> None:
    hospital.study(changed(SEGMENTATION, classes={"third": 3}, rest="background"))
    hospital.refuse(
        "data.csv: no mask of this table has a voxel of a class",
        "got only the values 0, 1, 2; expected 0 (background), 3 (third)",
        "Give the classes the values that the masks have",
        options=FULL,
    )
    study = load_study(hospital.folder / "study.yaml")
    bench = Workbench.open(study, hospital.manifest, tmp_path / "work", device="cpu")
    with pytest.raises(InputError, match="no mask of this table has a voxel of a class"):
        bench.require_foreground()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.5, 2.5], ("0.5, 2.5 in 2 voxels", "linear interpolation", "nearest neighbour")),
        ([1.0000001, 1.9999], ("1.0000001, 1.9999 in 2 voxels", "by rounding", "uint8")),
        ([np.nan], ("nan in 1 voxel", "NaN")),
        ([3e9], ("3000000000 in 1 voxel", "numbers as large")),
    ],
    ids=str,
)
def test_values_that_are_no_labels(hospital: Hospital, values: list[float], words: tuple[str, ...]) -> None:
    fractions(hospital.mask(2), np.array(values, np.float32))
    path = hospital.mask(2)
    if not np.isfinite(values).all():
        # NaN in a NIfTI file is told for all images alike.
        path = path.with_name("mask.mha")
        image = read_label(hospital.mask(1))
        write_image(path, Image(np.where(image[0] == 1, np.nan, image[0]).astype(np.float32)[None], image[1]))
        hospital.edit("labels/case_002.nii.gz", "labels/mask.mha")
        words = ("NaN",)
    hospital.refuse("subject 'case_002', Label", "a mask holds whole numbers", *words, options=FULL)


def test_a_map_of_probabilities_is_told_as_that(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(2))
    write_image(hospital.mask(2), Image((mask / 4).astype(np.float32)[None], grid))
    hospital.refuse("subject 'case_002', Label", "between 0 and 1, as probabilities are", "at least 0.5", options=FULL)


@pytest.mark.parametrize("classes", [{"whole": [1, 2]}, {"left": 1, "right": 2}], ids=["one", "two"])
@pytest.mark.parametrize("rest", ["error", "background"])
def test_masks_without_background_are_noted(hospital: Hospital, classes: dict[str, object], rest: str) -> None:
    hospital.study(changed(SEGMENTATION, classes=classes, rest=rest))
    for number in (0, 3):
        relabel(hospital.mask(number), {0: 1, 1: 2})
    outcome = hospital.check(*FULL)
    assert outcome.code == 0
    told = "in 2 of 6 masks no voxel is 0 (background): 'case_000', 'case_003'. If 1 is the background there"
    assert f"note: data.csv: {told}" in outcome.out


def test_fractions_of_several_classes_are_not_to_be_cut_in_two(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(2))
    write_image(hospital.mask(2), Image((mask / 2 + 0.01 * (mask == 1)).astype(np.float32)[None], grid))
    hospital.refuse("For one class save the mask with 1", "for several export it again with the number", options=FULL)


def test_negative_values_can_only_be_background(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(2))
    write_image(hospital.mask(2), Image(np.where(mask == 2, -1, mask.astype(np.int16))[None], grid))
    said = hospital.refuse("subject 'case_002', Label", "outside the study's classes", "got -1 in", options=FULL)
    assert "left: [" not in said
    hospital.study(changed(SEGMENTATION, rest="background"))
    assert hospital.check(*FULL).code == 0


def test_a_mask_that_is_no_mask_is_told_from_its_header_or_name(hospital: Hospital) -> None:
    colour = read_image(hospital.image(0))
    write_image(hospital.mask(0), Image(np.repeat(colour.data, 3, axis=0), colour.geometry))
    hospital.edit("labels/case_001.nii.gz", "images/case_001.nii.gz")
    hospital.refuse("subject 'case_001', Label", "the mask is the same file as the image")
    hospital.refuse("subject 'case_000', Label (case_000.nii.gz): a mask has one value per voxel", "3 volumes")
    shutil.copy(hospital.image(2), hospital.mask(2))
    hospital.refuse("subject 'case_002', Label", "the image itself stands in the place of the mask", options=FULL)


@pytest.mark.parametrize("kind", ["named JPEG", "named PNG", "in a TIFF"])
def test_masks_as_jpeg_are_told_from_their_headers(tmp_path: Path, kind: str) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(40, 48))
    write_study(tmp_path / "study.yaml", FLAT)
    name = {"named JPEG": "seg.jpg", "named PNG": "seg.png", "in a TIFF": "seg.tif"}[kind]
    mask = read_label(tmp_path / "labels" / "case_001.png")[0] * 100
    if kind == "in a TIFF":
        tifffile.imwrite(tmp_path / name, mask, compression="jpeg")
    else:
        Pillow.fromarray(mask).save(tmp_path / name, format="JPEG")
    manifest.write_text(manifest.read_text().replace("labels/case_001.png", name))
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert f"data.csv:3, subject 'case_001', Label ({name}): the mask is stored as JPEG" in outcome.err
    assert "Export the mask anew as .png or .nii.gz" in outcome.err
    assert outcome.err.count("error: ") == 1


def test_a_png_that_is_called_jpg_keeps_its_numbers(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(40, 48))
    write_study(tmp_path / "study.yaml", FLAT)
    shutil.copy(tmp_path / "labels" / "case_001.png", tmp_path / "seg.jpg")
    manifest.write_text(manifest.read_text().replace("labels/case_001.png", "seg.jpg"))
    assert run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest).code == 0


def test_what_check_has_not_looked_at_is_said_in_one_line(hospital: Hospital, tmp_path: Path) -> None:
    lines = hospital.check().out.splitlines()
    unread = "headers only. Not looked at: voxels, intensities and the values in masks; `--full` looks at all of them"
    assert f"read     {unread}" in lines
    assert json.loads(hospital.check("--json").out)["not_read"] == ["voxels", "intensities", "the values in masks"]
    assert json.loads(hospital.check("--json", *FULL).out)["not_read"] == []
    manifest = write_classification_cohort(tmp_path / "pictures")
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    out = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest).out
    assert "Not looked at: voxels and intensities; `--full`" in out


def test_a_category_may_be_several_values_of_the_table(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path / "pictures")
    text = manifest.read_text()
    manifest.write_text(text.replace("_001.png,1", "_001.png,2").replace("_003.png,1", "_003.png,9"))
    write_study(tmp_path / "study.yaml", changed(CLASSIFICATION, classes={"benign": 0, "malignant": [1, 2]}))
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert "data.csv:5, subject 'picture_003', ValueToPredict: the value is not one" in outcome.err
    assert "got '9'; expected 0 (benign), 1 or 2 (malignant)" in outcome.err
    manifest.write_text(manifest.read_text().replace("_003.png,9", "_003.png,malignant"))
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 0
    assert "benign (10 cases), malignant, 1 or 2 (10 cases)" in outcome.out

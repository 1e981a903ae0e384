"""`wardround check`, as people run it: every mistake is told helpfully, with code 2, and nothing is written."""

from __future__ import annotations

import errno
import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.support.commands import Outcome, run_wardround
from tests.support.images import write_classification_cohort, write_segmentation_cohort, write_table
from tests.support.shared_data import shared_data
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, write_study
from wardround.engine.imaging import (
    Geometry,
    Header,
    Image,
    read_header,
    read_image,
    read_label,
    write_image,
    write_label,
)
from wardround.engine.imaging.geometry import plain_geometry

SHAPE = (24, 28, 20)


class Hospital:
    """A folder with a study, a manifest and six cases, of which a test spoils something."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, folder / "data.csv"

    def study(self, content: dict[str, Any]) -> None:
        """Write another study."""
        write_study(self.folder / "study.yaml", content)

    def image(self, number: int) -> Path:
        """The image of one case."""
        return self.folder / "images" / f"case_{number:03d}.nii.gz"

    def mask(self, number: int) -> Path:
        """The mask of one case."""
        return self.folder / "labels" / f"case_{number:03d}.nii.gz"

    def edit(self, old: str, new: str) -> None:
        """Change the manifest's text."""
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new, 1))

    def check(self, *options: str) -> Outcome:
        """Run the command; it must write nothing."""
        before = self._tree()
        outcome = run_wardround("check", self.folder / "study.yaml", "--manifest", self.manifest, *options)
        assert self._tree() == before
        return outcome

    def refuse(self, *words: str, options: tuple[str, ...] = ()) -> str:
        """Run the command, which must end with code 2 and tell all of `words` in one problem."""
        outcome = self.check(*options)
        assert outcome.code == 2, outcome
        assert "Traceback" not in outcome.err
        assert outcome.out == ""
        problems = outcome.err.split("error: ")[1:]
        fitting = [problem for problem in problems if all(word in problem for word in words)]
        assert len(fitting) == 1, problems
        return outcome.err

    def _tree(self) -> dict[Path, tuple[int, int]]:
        files = self.folder.rglob("*")
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()}


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_segmentation_cohort(folder, shape=SHAPE)
    Hospital(folder).study(SEGMENTATION)
    return folder


@pytest.fixture
def hospital(sound: Path, tmp_path: Path) -> Hospital:
    return Hospital(shutil.copytree(sound, tmp_path / "hospital"))


def test_a_sound_study_gets_a_summary(hospital: Hospital) -> None:
    outcome = hospital.check()
    assert (outcome.code, outcome.err) == (0, "")
    for words in (
        "blobs (segmentation, 3D), digest ",
        "6, each counted as a patient: there is no PatientID column",
        "background (0), left (1), right (2)",
        "2 outer x 2 inner folds, made by row",
        "24 x 28 x 20 voxels of 1 x 1.2 x 2 mm",
        "16 x 16 x 16, 2 per case and epoch",
        "headers; `--full` reads every voxel",
        "no problems",
    ):
        assert words in outcome.out
    assert "every voxel" in hospital.check("--full").out


def test_the_summary_as_json(hospital: Hospital) -> None:
    found = hospital.check("--json").json
    assert found["problems"] == []
    assert [notice["what"][:31] for notice in found["notices"]] == ["there is no PatientID column, s"]
    assert (found["cases"], found["patients"], found["sets"]) == (6, None, {"folds": 6})


def test_patients_are_counted_where_they_are_stated(hospital: Hospital) -> None:
    lines = hospital.manifest.read_text().splitlines()
    hospital.manifest.write_text(
        "\n".join(f"{line},{name}" for line, name in zip(lines, ["PatientID", *"ppqrst"], strict=True))
    )
    said, found = hospital.check().out, hospital.check("--json").json
    assert "6, of 5 patients" in said
    assert "inner folds, made by patient" in said
    assert (found["patients"], found["notices"]) == (5, [])


def test_problems_as_json(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, sed=3))
    outcome = hospital.check("--json")
    assert outcome.code == 2
    (problem,) = outcome.json["problems"]
    assert problem["what"] == "unknown key 'sed'"
    assert problem["remedy"] == "Did you mean 'seed'?"
    assert problem["where"].startswith("study.yaml:")


def test_study_manifest_and_images_are_told_in_one_go(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, sed=3))
    hospital.edit("case_001,images/case_001.nii.gz", "case_000,images/case_01.nii.gz")
    found = hospital.check().err
    assert "unknown key 'sed'. Did you mean 'seed'?" in found
    assert "the subject 'case_000' stands on line 2 already" in found
    assert "there is no such file (got 'images/case_01.nii.gz'). Its folder has 'case_001.nii.gz'" in found
    hospital.study(SEGMENTATION)
    hospital.image(3).write_bytes(b"no image")
    found = hospital.check().err
    assert "data.csv:3, subject 'case_000', Channel_0: there is no such file" in found
    assert "data.csv:5, subject 'case_003', Channel_0 (case_003.nii.gz): the image cannot be read" in found


def test_an_unknown_key(hospital: Hospital) -> None:
    training = {**SEGMENTATION["training"], "lerning_rate": 1}
    hospital.study(changed(SEGMENTATION, training=training, validaton=SEGMENTATION["validation"]))
    found = hospital.refuse("training.lerning_rate", "unknown key 'lerning_rate'")
    assert "unknown key 'validaton'. Did you mean 'validation'?" in found


def test_wrong_types_and_ranges(hospital: Hospital) -> None:
    training = {"loss": "dice_ce", "epochs": "many", "batch_size": 0}
    hospital.study(changed(SEGMENTATION, training=training, seed=-1))
    hospital.refuse("training.epochs", "got 'many'; expected a valid integer")
    hospital.refuse("training.batch_size", "got 0; expected greater than or equal to 1")
    hospital.refuse("seed", "got -1; expected greater than or equal to 0")


def test_an_unknown_part_is_told_with_the_close_ones(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, model={"name": "uunet", "dimensions": 3}, augmentation=["nois"]))
    hospital.refuse("study.yaml:", "model", "unknown network 'uunet'. Did you mean 'unet'")
    hospital.refuse("augmentation.0", "unknown augmentation 'nois'. Did you mean 'noise'?")


def test_an_unknown_parameter_is_told_with_the_parts_own(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, model={"name": "unet", "dimensions": 3, "filtres": 8}))
    hospital.refuse("model.filtres", "unknown key 'filtres'. Did you mean 'filters'?")


def test_a_missing_image(hospital: Hospital) -> None:
    hospital.image(2).unlink()
    hospital.refuse("data.csv:4, subject 'case_002', Channel_0", "there is no such file", "images/case_002.nii.gz")


def test_an_empty_cell(hospital: Hospital) -> None:
    hospital.edit("labels/case_004.nii.gz", "")
    hospital.refuse("data.csv:6, subject 'case_004', Label", "the cell is empty")


def test_a_missing_label_column(hospital: Hospital) -> None:
    hospital.edit("Label", "Mask")
    hospital.refuse("data.csv, header", "the column 'Label' is missing")


def test_a_mask_value_outside_the_classes(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(1))
    mask[3, 4, 5:7] = 9
    write_label(hospital.mask(1), mask, grid)
    assert hospital.check().code == 0
    hospital.refuse(
        "data.csv:3, subject 'case_001', Label (case_001.nii.gz)",
        "the mask has values outside the study's classes",
        "got 9 in 2 voxels; expected 0 (background), 1 (left), 2 (right)",
        options=("--full",),
    )


def test_a_value_outside_the_classes(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    manifest.write_text(manifest.read_text().replace("picture_003.png,1", "picture_003.png,2"))
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert "data.csv:5, subject 'picture_003', ValueToPredict" in outcome.err
    assert "got '2'; expected 0 (benign), 1 (malignant)" in outcome.err


def test_image_and_mask_of_different_geometry_are_told_axis_by_axis(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(0))
    other = Geometry((24, 28, 18), (1.0, 1.5, 2.0), (-31.0, 12.5, 9.0), grid.direction)
    write_label(hospital.mask(0), mask[..., :18], other)
    where = "data.csv:2, subject 'case_000', Label"
    hospital.refuse(where, "the grid differs from that of Channel_0", "size of axis z: 20 against 18")
    hospital.refuse(where, "spacing of axis y: 1.2 against 1.5 mm")
    hospital.refuse(where, "origin along z: 7 against 9 mm")


def test_a_difference_on_one_axis_is_not_made_up_for_by_another(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(0))
    spacing = (1.0 + 0.3, 1.2 - 0.3, 2.0)
    write_label(hospital.mask(0), mask, Geometry(grid.shape, spacing, grid.origin, grid.direction))
    hospital.refuse("spacing of axis x: 1 against 1.3")
    hospital.refuse("spacing of axis y: 1.2 against 0.9")


def test_channels_of_different_geometry(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, inputs=["T1w", "T2w"]))
    image = read_image(hospital.image(0))
    turned = Geometry(
        image.geometry.shape, image.geometry.spacing, image.geometry.origin, plain_geometry(SHAPE).direction
    )
    write_image(hospital.folder / "images" / "turned.nii.gz", Image(image.data, turned))
    row = ("case", "images/case_000.nii.gz", "images/turned.nii.gz", "labels/case_000.nii.gz")
    write_table(hospital.manifest, ("SubjectID", "Channel_0", "Channel_1", "Label"), [row])
    hospital.refuse("subject 'case', Channel_1", "direction of axis x")


def test_a_duplicate_subject(hospital: Hospital) -> None:
    hospital.edit("case_005,", "case_002,")
    hospital.refuse("data.csv:7, SubjectID", "the subject 'case_002' stands on line 4 already")


def test_a_patient_in_two_sets(hospital: Hospital) -> None:
    lines = hospital.manifest.read_text().splitlines()
    sets = ["PatientID,Split", "p,train", "q,train", "q,validation", "r,train", "s,test", "t,train"]
    hospital.manifest.write_text("\n".join(f"{line},{more}" for line, more in zip(lines, sets, strict=True)))
    hospital.refuse("data.csv, Split", "the patient 'q' is in 2 sets", "train on line 3; validation on line 4")


def test_too_few_patients(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, validation={**SEGMENTATION["validation"], "outer_folds": 7}))
    hospital.refuse("too few rows for 7 outer folds", "got 6 rows, each of which counts as a patient", "outer_folds")


def test_a_patch_that_the_case_cannot_hold_is_a_notice(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, patches={"size": [16, 16, 24]}))
    outcome = hospital.check()
    assert outcome.code == 0
    assert "note: data.csv: 6 of 6 cases are smaller than the patch of 16 x 16 x 24" in outcome.out
    assert "will be padded with zeros: 'case_000', 'case_001', 'case_002' and 3 more" in outcome.out


def test_the_patch_is_compared_with_the_case_as_preprocessed(hospital: Hospital) -> None:
    finer = [{"orient": "SAR"}, {"resample": [1.0, 1.2, 1.0]}]
    hospital.study(changed(SEGMENTATION, preprocessing=finer, patches={"size": [40, 28, 24]}))
    assert "smaller than the patch" not in hospital.check().out
    hospital.study(changed(SEGMENTATION, preprocessing=finer, patches={"size": [44, 28, 24]}))
    assert "are smaller than the patch" in hospital.check().out


@pytest.mark.parametrize("damage", ["cut", "header", "text", "empty", "flipped"])
def test_a_damaged_nifti(hospital: Hospital, damage: str) -> None:
    path = hospital.image(1)
    content = path.read_bytes()
    plain = gzip.decompress(content)
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "header": gzip.compress(plain[:200]),
            "text": b"SubjectID,Channel_0\n",
            "empty": b"",
            "flipped": content[:2000] + bytes(byte ^ 255 for byte in content[2000:2100]) + content[2100:],
        }[damage]
    )
    where = "data.csv:3, subject 'case_001', Channel_0 (case_001.nii.gz)"
    hospital.refuse(where, "the image cannot be read", options=("--full",))


def test_a_damaged_png(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    picture = tmp_path / "images" / "picture_002.png"
    picture.write_bytes(picture.read_bytes()[:200])
    (tmp_path / "images" / "picture_004.png").write_bytes(b"GIF89a no picture")
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest, "--full")
    assert outcome.code == 2
    assert "data.csv:4, subject 'picture_002', Channel_0 (picture_002.png): the image cannot be read" in outcome.err
    assert "data.csv:6, subject 'picture_004', Channel_0 (picture_004.png): the image cannot be read" in outcome.err


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_is_not_finite(hospital: Hospital, suffix: str, value: float) -> None:
    image = read_image(hospital.image(2))
    image.data[0, 3, 4, 5] = value
    write_image(hospital.folder / "images" / f"broken{suffix}", image)
    hospital.edit("images/case_002.nii.gz", f"images/broken{suffix}")
    where = f"data.csv:4, subject 'case_002', Channel_0 (broken{suffix})"
    hospital.refuse(where, "the image has values that are not numbers", options=("--full",))


def test_the_first_value_that_is_not_finite_is_named(hospital: Hospital) -> None:
    image = read_image(hospital.image(2))
    image.data[0, 3:5, 4, 5] = np.nan
    write_image(hospital.folder / "images" / "broken.nrrd", image)
    hospital.edit("images/case_002.nii.gz", "images/broken.nrrd")
    hospital.refuse("got 2 that are NaN, infinite or beyond", "the first at (3, 4, 5)", options=("--full",))


def test_a_mask_of_fractions(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(2))
    fractions = mask.astype(np.float32)
    fractions[0, 0, 0] = 0.5
    write_image(hospital.mask(2), Image(fractions[None], grid))
    hospital.refuse("subject 'case_002', Label", "a mask holds whole numbers", "0.5 in 1 voxels", options=("--full",))


def test_an_image_without_contrast(hospital: Hospital) -> None:
    image = read_image(hospital.image(2))
    write_image(hospital.image(2), Image(np.zeros_like(image.data), image.geometry))
    hospital.refuse("subject 'case_002', Channel_0", "no contrast, so it cannot be normalised", options=("--full",))
    hospital.study(changed(SEGMENTATION, preprocessing=[]))
    assert "note: data.csv: 1 cases have a channel whose voxels are all equal" in hospital.check("--full").out


def test_empty_masks_and_absent_classes_are_notices(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(3))
    write_label(hospital.mask(3), np.zeros_like(mask), grid)
    hospital.study(changed(SEGMENTATION, classes={"left": 1, "right": 2, "third": 3}))
    outcome = hospital.check("--full")
    assert outcome.code == 0
    assert "note: data.csv: 1 of 6 masks are empty: 'case_003'." in outcome.out
    assert "note: data.csv: no mask has the class 'third' (3)." in outcome.out


def test_one_file_for_two_patients_is_refused_where_they_are_in_two_sets(hospital: Hospital) -> None:
    hospital.edit("case_001,images/case_001.nii.gz", "case_001,images/case_000.nii.gz")
    hospital.refuse("subject 'case_001'", "this case has the same image as 'case_000' of the", "same PatientID")


def test_one_file_for_two_patients_of_one_set_is_a_notice(hospital: Hospital) -> None:
    hospital.edit("case_001,images/case_001.nii.gz", "case_001,images/case_000.nii.gz")
    lines = hospital.manifest.read_text().splitlines()
    sets = ["Split", "train", "train", "train", "validation", "test", "test"]
    hospital.manifest.write_text("\n".join(f"{line},{name}" for line, name in zip(lines, sets, strict=True)))
    assert "the same image stands in 2 rows: 'case_000', 'case_001'" in hospital.check().out


def test_2d_images_for_a_3d_study(hospital: Hospital) -> None:
    flat = Image(np.ones((1, 24, 28), np.uint8), plain_geometry((24, 28)))
    write_image(hospital.folder / "images" / "flat.png", flat)
    hospital.edit("images/case_000.nii.gz", "images/flat.png")
    found = hospital.refuse("case_000", "model's number of axes", "got 2 axes of 24 x 28 voxels; expected 3")
    assert "3 axes against 2" in found or "2 axes against 3" in found


def test_a_colour_picture_for_one_input(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    picture = tmp_path / "images" / "picture_002.png"
    Pillow.open(picture).convert("RGB").save(picture)
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert "got 3 values per voxel; expected 1 value per voxel" in outcome.err


def test_colour_pictures_for_three_inputs(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    for picture in (tmp_path / "images").iterdir():
        Pillow.open(picture).convert("RGB").save(picture)
    write_study(tmp_path / "study.yaml", changed(CLASSIFICATION, inputs=["red", "green", "blue"]))
    assert run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest, "--full").code == 0


def test_a_format_that_cannot_be_read(hospital: Hospital) -> None:
    (hospital.folder / "images" / "scan.dcm").write_bytes(b"DICM")
    hospital.edit("images/case_000.nii.gz", "images/scan.dcm")
    hospital.refuse("case_000", "this file format is not supported", "got .dcm", "dcm2niix")


def test_a_file_that_may_not_be_read(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> Header:
        if path == hospital.image(4):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_header(path)

    monkeypatch.setattr("wardround.engine.inspection.headers.read_header", read)
    hospital.refuse("data.csv:6, subject 'case_004', Channel_0", "the file cannot be read (got Permission denied)")


def test_a_full_disk(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    hospital.refuse("/tmp: the disk is full", "Free some space and run the same command again")


def test_sets_that_the_manifest_states(hospital: Hospital) -> None:
    lines = hospital.manifest.read_text().splitlines()
    sets = ["Split", "train", "train", "train", "validation", "test", "test"]
    hospital.manifest.write_text("\n".join(f"{line},{more}" for line, more in zip(lines, sets, strict=True)))
    assert "train 3, validation 1, test 2, by the Split column" in hospital.check().out


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    outcome = run_wardround("check", tmp_path / "none.yaml", "--manifest", tmp_path / "none.csv")
    assert outcome.code == 2
    assert outcome.err.count("the file cannot be read (got No such file or directory)") == 2


def test_a_rare_class_is_a_notice(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path, cases=12)
    lines = manifest.read_text().splitlines()
    ones = [line for line in lines if line.endswith(",1")]
    manifest.write_text("\n".join(line for line in lines if line not in ones[3:]))
    validation = {"outer_folds": 5, "inner_folds": 2, "metrics": ["accuracy"], "select": "accuracy"}
    write_study(
        tmp_path / "study.yaml", changed(CLASSIFICATION, classes={"a": 0, "b": 1, "c": 2}, validation=validation)
    )
    found = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert found.code == 0
    assert "the class 'b', which 3 rows have, is missing from some sets: '" in found.out
    assert "no case has the class 'c'" in found.out


@pytest.mark.shared_data
@pytest.mark.parametrize("site", ["north", "east", "south", "west"])
def test_real_manifests_are_sound(tmp_path: Path, site: str) -> None:
    model = {"name": "resunet", "dimensions": 3}
    content = changed(
        SEGMENTATION, classes={"anterior": 1, "posterior": 2}, model=model, patches={"size": [32, 40, 32]}
    )
    study = write_study(tmp_path / "study.yaml", content)
    outcome = run_wardround("check", study, "--manifest", shared_data() / "hippocampus" / f"{site}.csv", "--full")
    assert outcome.code == 0, outcome.err

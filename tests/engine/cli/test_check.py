"""`wardround check`, as people run it: every mistake is told helpfully, with code 2, and nothing is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.commands import run_wardround
from tests.support.images import write_classification_cohort
from tests.support.shared_data import shared_data
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, write_study
from wardround.engine.basics import files
from wardround.engine.inspection import room


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
        "headers only. Not looked at: voxels, intensities and the values in masks; `--full` looks at all of them",
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
    assert "unknown key 'sed' (got `sed`; expected a key that is known here). Did you mean 'seed'?" in found
    assert "the subject 'case_000' stands on line 2 already" in found
    assert (
        "there is no such file (got 'images/case_01.nii.gz'; expected a file). Its folder has 'case_001.nii.gz'"
        in found
    )
    hospital.study(SEGMENTATION)
    hospital.image(3).write_bytes(b"no image")
    found = hospital.check().err
    assert "data.csv:3, subject 'case_000', Channel_0: there is no such file" in found
    assert "data.csv:5, subject 'case_003', Channel_0 (case_003.nii.gz): the image cannot be read" in found


def test_an_unknown_key(hospital: Hospital) -> None:
    training = {**SEGMENTATION["training"], "lerning_rate": 1}
    hospital.study(changed(SEGMENTATION, training=training, validaton=SEGMENTATION["validation"]))
    found = hospital.refuse("training.lerning_rate", "unknown key 'lerning_rate'")
    assert "unknown key 'validaton'" in found
    assert "Did you mean 'validation'?" in found


def test_wrong_types_and_ranges(hospital: Hospital) -> None:
    training = {"loss": "dice_ce", "epochs": "many", "batch_size": 0}
    hospital.study(changed(SEGMENTATION, training=training, seed=-1))
    hospital.refuse("training.epochs", "got 'many'; expected a whole number from 1 to 100,000")
    hospital.refuse("training.batch_size", "got 0; expected a whole number from 1 to 4,096")
    hospital.refuse("seed", "got -1; expected a whole number of at least 0")


def test_an_unknown_part_is_told_with_the_close_ones(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, model={"name": "uunet", "dimensions": 3}, augmentation=["nois"]))
    hospital.refuse("study.yaml:", "model", "unknown network 'uunet'", "Did you mean 'unet'")
    hospital.refuse("augmentation.0", "unknown augmentation 'nois'", "Did you mean 'noise'?")


def test_an_unknown_parameter_is_told_with_the_parts_own(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, model={"name": "unet", "dimensions": 3, "filtres": 8}))
    hospital.refuse("model.filtres", "unknown key 'filtres'", "Did you mean 'filters'?")


def test_a_missing_image(hospital: Hospital) -> None:
    hospital.image(2).unlink()
    hospital.refuse("data.csv:4, subject 'case_002', Channel_0", "there is no such file", "images/case_002.nii.gz")


def test_an_empty_cell(hospital: Hospital) -> None:
    hospital.edit("labels/case_004.nii.gz", "")
    hospital.refuse("data.csv:6, subject 'case_004', Label", "the cell is empty")


def test_a_missing_label_column(hospital: Hospital) -> None:
    hospital.edit("Label", "Mask")
    hospital.refuse("data.csv, header", "the column 'Label' is missing")


def test_a_value_outside_the_classes(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    manifest.write_text(manifest.read_text().replace("picture_003.png,1", "picture_003.png,2"))
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert "data.csv:5, subject 'picture_003', ValueToPredict" in outcome.err
    assert "got '2'; expected 0 (benign), 1 (malignant)" in outcome.err


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


def test_whole_images_that_a_patch_cannot_hold_are_a_notice(tmp_path: Path) -> None:
    manifest, study = write_classification_cohort(tmp_path), tmp_path / "study.yaml"
    words = ("check", study, "--manifest", manifest)
    write_study(study, CLASSIFICATION)
    assert "larger than the patch" not in run_wardround(*words).out
    write_study(study, changed(CLASSIFICATION, patches={"size": [20, 28]}))
    out = run_wardround(*words).out
    assert "note: data.csv: 20 of 20 cases are larger than the patch of 20 x 28: training sees some part of each" in out
    assert "add `resize: {size: [20, 28]}` to the preprocessing, or write `patches: {size: [28, 28]}`" in out


def test_no_patch_is_offered_that_a_study_may_not_have(tmp_path: Path) -> None:
    manifest, study = write_classification_cohort(tmp_path), tmp_path / "study.yaml"
    larger = [{"resize": [1200, 28]}, "rescale"]
    write_study(study, changed(CLASSIFICATION, preprocessing=larger))
    out = run_wardround("check", study, "--manifest", manifest).out
    assert "add `resize: {size: [28, 28]}` to the preprocessing" in out
    assert "patches: {size" not in out


def test_one_file_for_two_patients_is_refused_where_they_are_in_two_sets(hospital: Hospital) -> None:
    hospital.edit("case_001,images/case_001.nii.gz", "case_001,images/case_000.nii.gz")
    hospital.refuse("subject 'case_001'", "this case has the same image as 'case_000' of the", "same PatientID")


def test_one_file_for_two_patients_of_one_set_is_a_notice(hospital: Hospital) -> None:
    hospital.edit("case_001,images/case_001.nii.gz", "case_001,images/case_000.nii.gz")
    lines = hospital.manifest.read_text().splitlines()
    sets = ["Split", "train", "train", "train", "validation", "test", "test"]
    hospital.manifest.write_text("\n".join(f"{line},{name}" for line, name in zip(lines, sets, strict=True)))
    assert "the same image stands in 2 rows: 'case_000', 'case_001'" in hospital.check().out


def test_a_full_disk(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp")

    monkeypatch.setattr("wardround.engine.inspection.headers.read_header", full)
    hospital.refuse("/tmp: the disk is full", "Free some space and run the same command again")


def test_the_room_of_preprocessed_cases_is_compared_with_what_there_is(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = hospital.folder / "work"
    assert " free\n" in hospital.check("--work", str(work)).out
    monkeypatch.setattr(files, "free_bytes", lambda folder: 1000)
    assert hospital.check().code == 0
    hospital.refuse("the disk is too full for the preprocessed cases", options=("--work", str(work)))
    monkeypatch.setattr(files, "free_bytes", lambda folder: 7 << 20)  # of which `fit` leaves eight beside each case
    hospital.refuse("the disk is too full for the preprocessed cases", options=("--work", str(work)))
    stored = work / "store" / "cases" / "0f" / f"0f{'0' * 62}"
    stored.mkdir(parents=True)
    (stored / "image.npy").write_bytes(bytes(1_000_000))
    assert hospital.check("--work", str(work)).code == 0


def test_a_folder_that_cannot_be_is_told_before(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = hospital.folder / "taken"
    taken.write_text("years of work")
    hospital.refuse(
        "taken: a file stands where the folder of preprocessed cases should be", options=("--work", str(taken))
    )
    hospital.refuse("a file stands where the folder", options=("--work", str(taken / "below")))
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    hospital.refuse(
        "the folder of preprocessed cases cannot be written to", options=("--work", str(hospital.folder / "w"))
    )


def test_memory_that_the_largest_case_cannot_have_is_a_notice(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "available_bytes", lambda: 1000)
    outcome = hospital.check()
    assert outcome.code == 0
    assert (
        "note: subject 'case_005': the largest case needs more memory to be preprocessed than there is" in outcome.out
    )
    assert "Give this machine or container more memory" in hospital.check("--json").json["notices"][-1]["remedy"]


def test_sets_that_the_manifest_states(hospital: Hospital) -> None:
    lines = hospital.manifest.read_text().splitlines()
    sets = ["Split", "train", "train", "train", "validation", "test", "test"]
    hospital.manifest.write_text("\n".join(f"{line},{more}" for line, more in zip(lines, sets, strict=True)))
    assert "train 3, validation 1, test 2, by the Split column" in hospital.check().out


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    outcome = run_wardround("check", tmp_path / "none.yaml", "--manifest", tmp_path / "none.csv")
    assert outcome.code == 2
    assert outcome.err.count("there is no such ") == 2


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
    line = next(line for line in found.out.splitlines() if line.startswith("images"))
    assert line.endswith(" pixels"), "a photograph tells no size of its pixels"


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


def test_a_subject_that_lost_its_zeros_is_noted(hospital: Hospital) -> None:
    hospital.image(2).rename(hospital.folder / "images" / "007.nii.gz")
    hospital.edit("case_002,images/case_002.nii.gz", "7,images/007.nii.gz")
    told = hospital.check().out
    assert "1 SubjectID is a number without the zeros that its file or folder has" in told
    assert "7 (file or folder 007)" in told
    assert "give the column the format Text" in told
    hospital.edit("7,images", "8,images")
    assert "zeros that its file" not in hospital.check().out

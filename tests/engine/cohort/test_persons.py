"""Manifests without `PatientID`: what looks as if it told patients apart is named, and nothing else is."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.manifests import touch, write_csv
from tests.support.studies import CLASSIFICATION, study_of
from wardround.engine.cohort import Truth, read_manifest

STUDY = study_of(CLASSIFICATION)
ROWS = 24


Cell = Callable[[int], object]


def likely(folder: Path, subject: Cell, image: Cell, **free: Cell) -> str:
    """What is named for a table whose cells are made from the number of the row."""
    touch(folder, *(str(image(row)) for row in range(ROWS)))
    cells = [subject, image, lambda row: row % 2, *free.values()]
    lines = [",".join(["SubjectID", "Channel_0", "ValueToPredict", *free])]
    lines += [",".join(str(cell(row)) for cell in cells) for row in range(ROWS)]
    cohort = read_manifest(write_csv(folder / "data.csv", *lines), STUDY, truth=Truth.REQUIRED)
    assert not cohort.patients.stated
    return "; ".join(cohort.patients.likely)


def plain(row: int) -> str:
    return f"case_{row:03d}"


def picture(row: int) -> str:
    return f"images/case_{row:03d}.png"


@pytest.mark.parametrize(
    "image",
    ["person{}_bacteria_{}.png", "IM-{:04d}-{:04d}.png", "sub-{}/ses_{}.png", "p{:02d}/img_{}.png", "v{}.slice.{}.png"],
)
def test_files_that_share_the_beginning_of_their_names_or_a_folder_are_named(tmp_path: Path, image: str) -> None:
    found = likely(tmp_path, plain, lambda row: image.format(row // 3, row))
    assert "in Channel_0 (8 different ones in 24 rows;" in found


def test_subjects_that_share_a_beginning_are_named(tmp_path: Path) -> None:
    assert "beginnings of the names in SubjectID (12" in likely(tmp_path, lambda row: f"p{row // 2}-{row}", picture)


NAMES = ["patient_number", "MRN", "mrn", "case", "CaseNo", "subject_nr", "pid", "person", "participant", "Pat"]


@pytest.mark.parametrize("name", NAMES)
def test_columns_with_the_name_of_a_person_are_named(tmp_path: Path, name: str) -> None:
    found = likely(tmp_path, plain, picture, **{name: lambda row: row // 4})
    assert found == f"the column {name!r} (6 different values in 24 rows)"


def test_columns_whose_values_repeat_as_patients_do_are_named_whatever_they_are_called(tmp_path: Path) -> None:
    owner, number = (lambda row: f"K{4700 + row // 2}"), (lambda row: 4711000 + row // 3)
    found = likely(tmp_path, plain, picture, Owner=owner, Nummer=number)
    assert "the column 'Owner' (12 " in found
    assert "the column 'Nummer' (8 " in found


def test_ages_sexes_scanners_dates_and_unique_names_are_not(tmp_path: Path) -> None:
    choose = random.Random(1)
    free: dict[str, Cell] = {
        "Age": lambda row: choose.randint(20, 80),
        "Sex": lambda row: "MF"[row % 2],
        "Scanner": lambda row: ["GE1.5T", "Philips3T"][row % 2],
        "Date": lambda row: f"2024-01-{1 + row // 2:02d}",
        "Case": lambda row: row,
        "Note": lambda row: "",
    }
    assert likely(tmp_path, plain, picture, **free) == ""


def test_a_stated_column_needs_no_guess(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    header, rows = "SubjectID,Channel_0,ValueToPredict,PatientID,mrn", ("a,a.png,0,p,1", "b,a.png,0,p,1")
    manifest = write_csv(tmp_path / "data.csv", header, *rows)
    patients = read_manifest(manifest, STUDY, truth=Truth.REQUIRED).patients
    assert (patients.stated, patients.likely) == (True, ())
    assert (patients.counted(1), patients.counted(2)) == ("1 patient", "2 patients")


def test_truths_that_the_study_does_not_read_are_no_patients(tmp_path: Path) -> None:
    """A table that serves several studies has volumes beside classes, most of them once and some twice."""
    named = likely(
        tmp_path, plain, picture, ValueToPredict_volume=lambda row: 3000 + row // 2, Time=lambda row: 9000 + row // 2
    )
    assert named == ""
    assert "volume" in likely(tmp_path, plain, picture, volume=lambda row: 3000 + row // 2)

"""What spreadsheets make of tables, and names that only look alike: read, or named with the remedy."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, folder_cohort, read_manifest
from wardround.engine.cohort.zeros import with_zeros

ONE = study_of(SEGMENTATION)
HEADER = "SubjectID,Channel_0,Label"
COMPOSED, SPLIT = unicodedata.normalize("NFC", "Müller.png"), unicodedata.normalize("NFD", "Müller.png")


def _read(folder: Path, content: bytes | str) -> list[str]:
    (folder / "a.png").touch()
    (folder / "m.png").touch()
    (folder / "data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return [case.subject for case in read_manifest(folder / "data.csv", ONE, truth=Truth.REQUIRED).cases]


def _told(folder: Path, content: bytes | str) -> str:
    with pytest.raises(InputError) as caught:
        _read(folder, content)
    assert all(problem.remedy for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\nk,a.png,m.png\n".encode("utf-16"),
        f"\ufeff{HEADER}\r\nk,a.png,m.png\r\n".encode(),
        f"sep=;\n{HEADER}\nk,a.png,m.png\n".replace(",", ";"),
        f"{HEADER},,\nk,a.png,m.png,,\n,,,,\n",
        f"{HEADER}\nk,a.png,m.png,,,\n",
        f"\u00a0{HEADER}\u00a0\nk\u00a0,\u00a0a.png,\u200bm.png\n",
        f"{HEADER}\rk,a.png,m.png\r",
    ],
)
def test_what_spreadsheets_add_is_read(tmp_path: Path, content: bytes | str) -> None:
    assert _read(tmp_path, content) == ["k"]


def test_line_ends_of_unicode_belong_to_cells(tmp_path: Path) -> None:
    assert _read(tmp_path, f"{HEADER},note\nk,a.png,m.png,one\u2028two\x85three\n") == ["k"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\3\4 and more", "workbook of Excel"),
        (b"\xd0\xcf\x11\xe0 and more", "old Excel"),
        (f"{HEADER}\nk,a.png,m.png\n".encode("utf-16-le"), "UTF-16 without a mark"),
        (f"{HEADER}\nMüller,a.png,m.png\n".encode("cp1252"), "'Müller'"),
        (f"{HEADER}\n=A1&B1,a.png,m.png\n", "formula"),
        (f"{HEADER}\n1.2E+11,a.png,m.png\n", "spreadsheet has shortened"),
        (f"{HEADER}\nk,C:\\images\\a.png,m.png\n", "Windows machine"),
        (f"{HEADER}\nk,file:///images/a.png,m.png\n", "without what stands before"),
        (f"{HEADER}\nk,'a.png',m.png\n", "without quotation marks"),
        (f"{HEADER}\nk,A.PNG,m.png\n", "'a.png', which differs only by upper and lower case"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert words in _told(tmp_path, content)


def test_accents_written_in_another_way_are_named(tmp_path: Path) -> None:
    (tmp_path / SPLIT).touch()
    told = _told(tmp_path, f"{HEADER}\nk,{COMPOSED},m.png\n")
    assert "differs only by the way accents are written" in told
    (tmp_path / "Scans").mkdir()
    (tmp_path / "Scans" / "b.png").touch()
    assert "Scans/b.png" in _told(tmp_path, f"{HEADER}\nk,scans/b.png,m.png\n")
    rows = "\n".join(f"{name},a.png,m.png" for name in (COMPOSED, SPLIT))
    assert "two subjects have names that differ only by the way accents" in _told(tmp_path, f"{HEADER}\n{rows}\n")


def test_numbers_that_lost_their_zeros_are_named(tmp_path: Path) -> None:
    (tmp_path / "007.nii.gz").touch()
    (tmp_path / "012").mkdir()
    (tmp_path / "012" / "T1.png").touch()
    told = _told(tmp_path, f"{HEADER}\n7,7.nii.gz,m.png\n")
    assert "There is '007.nii.gz': a spreadsheet takes the zeros at the front of a number" in told
    assert "the format Text" in told
    assert f"There is '{tmp_path / '012' / 'T1.png'}'" in _told(tmp_path, f"{HEADER}\n12,12/T1.png,m.png\n")
    assert "spreadsheet" not in _told(tmp_path, f"{HEADER}\n8,8.nii.gz,m.png\n")
    assert "spreadsheet" not in _told(tmp_path, f"{HEADER}\n70,70.nii.gz,m.png\n")


@pytest.mark.parametrize(
    ("name", "there", "found"),
    [
        ("7", ("7", "07", "007"), "07"),
        ("7", ("70", "17", "007a"), None),
        ("7_2.png", ("7_02.png", "007_2.png"), "007_2.png"),
        ("p7", ("p007", "0p7"), None),
        ("1.5", ("1.05", "01.5"), "01.5"),
        ("0", ("000",), "000"),
        ("007", ("7",), None),
    ],
)
def test_zeros_are_found_at_the_front_of_numbers_alone(name: str, there: tuple[str, ...], found: str | None) -> None:
    assert with_zeros(name, there) == found


def test_cases_of_a_folder_that_only_look_alike_are_named(tmp_path: Path) -> None:
    for name in (COMPOSED, SPLIT, "x.png", "X.png"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        folder_cohort(tmp_path, ONE)
    told = str(caught.value)
    assert "differ only by the way accents" in told
    assert "differ only by upper and lower case" in told


def test_folders_of_dicom_are_named(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "IM1").write_bytes(b"\0" * 128 + b"DICM")
    for folder in (tmp_path / "series", tmp_path / "above"):
        folder.mkdir(exist_ok=True)
    (tmp_path / "series").rename(tmp_path / "above" / "series")
    for folder in (tmp_path / "above", tmp_path / "above" / "series"):
        with pytest.raises(InputError, match=f"wardround dicom {folder} --manifest data.csv"):
            folder_cohort(folder, ONE)

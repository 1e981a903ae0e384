"""Slips that people make with images, masks and tables: each is named as what it is, with a remedy that mends it."""

from __future__ import annotations

import gzip
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.studies import SEGMENTATION, changed
from wardround.engine.imaging import read_image, read_label, write_image, write_label


def test_masks_saved_as_rounded_fractions_are_told_together_and_are_to_be_rounded(hospital: Hospital) -> None:
    for number in range(4):
        mask, grid = read_label(hospital.mask(number))
        stored = np.where(mask == 1, 0.9999, np.where(mask == 2, 1.9998, mask)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(stored, nibabel.load(hospital.mask(number)).affine), hospital.mask(number))
        assert grid.shape == stored.shape
    error = hospital.refuse("4 times: a mask holds whole numbers", "Round the mask", options=("--full",))
    assert "0.9999, 1.9998" in error
    assert error.count("Round the mask") == 1


def test_a_series_of_volumes_is_named_as_that(hospital: Hospital) -> None:
    image = nibabel.load(hospital.image(2))
    series = np.repeat(np.asarray(image.dataobj)[..., None], 20, axis=3)
    nibabel.save(nibabel.Nifti1Image(series, image.affine), hospital.image(2))
    error = hospital.refuse("subject 'case_002', Channel_0", "got 20 volumes in one file", "fMRI", "their mean")
    assert "grey" not in error


def test_exchanged_masks_are_named_with_their_owners(hospital: Hospital) -> None:
    for number in (0, 1):
        image, (mask, grid) = read_image(hospital.image(number)), read_label(hospital.mask(number))
        moved = replace(grid, origin=(100.0 * (number + 1), 0.0, 0.0))
        write_image(hospital.image(number), replace(image, geometry=moved))
        write_label(hospital.mask(number), mask, moved)
    hospital.edit("labels/case_000", "labels/case_00x")
    hospital.edit("labels/case_001", "labels/case_000")
    hospital.edit("labels/case_00x", "labels/case_001")
    for own, other in (("case_000", "case_001"), ("case_001", "case_000")):
        for options in ((), ("--full",)):
            words = (f"subject {own!r}, Label", "on that of another row", f"the image of {other!r}")
            assert "registration" not in hospital.refuse(*words, options=options)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SubjectID", "ID", "Is it 'ID'? Then rename that column to SubjectID"),
        ("Label", "Mask", "Is it 'Mask'? Then rename that column to Label"),
        ("Channel_0", "Image", "Is it 'Image'? Rename to Channel_0"),
        ("Channel_0", "T1w", "Is it 'T1w'? Rename to Channel_0"),
        ("Label", "Remarks", "Add a column called Label, with the paths of the masks"),
    ],
)
def test_columns_of_other_names_are_found_by_what_people_call_them(
    hospital: Hospital, old: str, new: str, told: str
) -> None:
    hospital.edit(old, new)
    hospital.refuse("data.csv, header", told)


def test_an_empty_file_is_called_empty(hospital: Hospital) -> None:
    hospital.image(1).write_bytes(b"")
    hospital.refuse("Channel_0 (case_001.nii.gz)", "got an empty file of 0 bytes", "was the disk full?")


def test_a_link_to_a_share_that_is_not_connected(hospital: Hospital) -> None:
    hospital.image(1).unlink()
    hospital.image(1).symlink_to("/mnt/pacs-of-nobody/case_001.nii.gz")
    hospital.refuse("this is a link to '/mnt/pacs-of-nobody/case_001.nii.gz'", "Connect the drive or the share")


def test_sets_that_are_written_in_short(hospital: Hospital) -> None:
    head, first, second, *rest = hospital.manifest.read_text().splitlines()
    lines = [f"{head},Split", f"{first},val", f"{second},tst", *(f"{line},train" for line in rest)]
    hospital.manifest.write_text("\n".join(lines) + "\n")
    hospital.refuse("unknown set 'val'", "Did you mean 'validation'?")
    hospital.refuse("unknown set 'tst'", "Did you mean 'test'?")


def test_a_table_without_names_of_columns_is_told_as_that_alone(hospital: Hospital) -> None:
    _, *rows = hospital.manifest.read_text().splitlines()
    hospital.manifest.write_text("\n".join(rows) + "\n")
    said = hospital.refuse("data.csv:1: the first line holds a case", "such as `SubjectID,Channel_0,Label`")
    assert said.count("error: ") == 1


@pytest.mark.parametrize("separator", [",", ";"])
def test_lines_above_the_names_of_columns_are_to_be_removed(hospital: Hospital, separator: str) -> None:
    text = hospital.manifest.read_text().replace(",", separator)
    hospital.manifest.write_text(f"Export 27.11.2026, Radiology\n\n{text}")
    said = hospital.refuse("data.csv:1: the names of the columns stand on line 3", "Remove the lines above")
    assert said.count("error: ") == 1


def test_a_column_that_stands_twice_is_not_read(hospital: Hospital) -> None:
    first, *rows = hospital.manifest.read_text().splitlines()
    doubled = [f"{row},labels/case_000.nii.gz" for row in rows]
    hospital.manifest.write_text("\n".join([f"{first},Label", *doubled]) + "\n")
    said = hospital.refuse("the column 'Label' stands twice (got columns 3 and 4;", "Keep one of them")
    assert said.count("error: ") == 1


def test_columns_that_differ_by_capital_letters_alone(hospital: Hospital) -> None:
    first, *rows = hospital.manifest.read_text().splitlines()
    doubled = [f"{row},images/case_000.nii.gz" for row in rows]
    hospital.manifest.write_text("\n".join([f"{first},channel_0", *doubled]) + "\n")
    hospital.refuse("the column 'channel_0' differs from 'Channel_0' only by capital letters", "or remove it")


def test_one_file_for_two_inputs_is_told_with_their_names(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, inputs=["T1", "FLAIR"]))
    _, *rows = hospital.manifest.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    doubled = [
        ",".join((name, image, image if number != 1 else "", mask)) for number, (name, image, mask) in enumerate(cells)
    ]
    hospital.manifest.write_text("\n".join(["SubjectID,Channel_0,Channel_1,Label", *doubled]) + "\n")
    hospital.refuse("5 times: this is the same file as Channel_0 (expected the FLAIR image)", "Name the file")
    hospital.refuse("subject 'case_001', Channel_1: the cell is empty (got nothing; expected the FLAIR image)")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.csv.gz", gzip.compress(b"SubjectID"), ("packed with gzip", "`gunzip data.csv.gz`, and name data.csv")),
        ("001.nii.gz", gzip.compress(b"\x5c\x01"), ("packed with gzip", "This is an image: name the CSV table")),
        ("data.json", b'[{"SubjectID": "k", "PatientID": "p"}]', ("got JSON", "Save the table itself as CSV")),
        ("data.pdf", b"%PDF-1.7", ("a PDF document", "Save the table itself as CSV")),
    ],
    ids=["gzip", "image", "JSON", "PDF"],
)
def test_what_is_no_table_is_one_line_with_its_own_remedy(
    hospital: Hospital, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    hospital.manifest = hospital.folder / name
    hospital.manifest.write_bytes(content)
    said = hospital.refuse("the file is not CSV", *words)
    assert said.count("error: ") == 1
    assert "Excel" not in said


def test_subjects_that_cannot_name_a_mask_are_noted_before_training(hospital: Hospital) -> None:
    hospital.edit("case_000,", "2024/01/05,")
    outcome = hospital.check()
    assert outcome.code == 0
    assert "cannot name a file" in outcome.out
    assert "'2024/01/05'" in outcome.out
    assert "Write 2024-01-05" in outcome.out


def test_a_missing_column_of_an_input_is_told_of_the_header(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, inputs=["T1", "FLAIR"]))
    said = hospital.refuse(
        "data.csv, header: the column Channel_1 (FLAIR) is missing", "Add that column; or give files"
    )
    assert said.count("error: ") == 1
    assert "case_0" not in said


@pytest.mark.parametrize(("cut", "told"), [(1, True), (2, False)])
def test_a_mask_without_one_slice_is_to_be_exported_again(hospital: Hospital, cut: int, told: bool) -> None:
    mask, grid = read_label(hospital.mask(1))
    shape = (*grid.shape[:2], grid.shape[2] - cut)
    write_label(hospital.mask(1), mask[..., :-cut], replace(grid, shape=shape))
    said = hospital.refuse("subject 'case_001', Label", "the grid differs from that of Channel_0")
    assert ("Export the file again: it has a slice less than the image" in said) == told
    assert ("registration" in said) != told


def test_one_patient_under_several_names_is_noted(hospital: Hospital) -> None:
    head, *rows = hospital.manifest.read_text().splitlines()
    names = ["p-01", "P-01", "p_01", "q7", "q007", "r"]
    lines = [f"{row},{name}" for row, name in zip(rows, names, strict=True)]
    hospital.manifest.write_text("\n".join([f"{head},PatientID", *lines]) + "\n")
    outcome = hospital.check()
    assert "may be one patient: 'p-01' (line 2), 'P-01' (line 3), 'p_01' (line 4); 'q7' (line 5), 'q007'" in outcome.out
    assert "write one form in all rows" in outcome.out


def test_subjects_that_may_be_one_patient_are_noted_where_there_is_no_column_of_patients(hospital: Hospital) -> None:
    hospital.edit("case_001,", "Case-0,")
    out = hospital.check().out
    assert "SubjectIDs that differ only by" in out
    assert "'case_000' (line 2), 'Case-0' (line 3). If they are, add the column PatientID" in out


def test_a_table_of_zeros_is_no_matter_of_alphabets(hospital: Hospital) -> None:
    hospital.manifest.write_bytes(bytes(300))
    said = hospital.refuse("the file holds nothing (got a file of 300 bytes that are all 0", "Copy it again")
    assert "UTF" not in said


def _joined(hospital: Hospital, between: str, *, ending: str = "\n") -> None:
    """Two exports one below the other: three cases each, with `between` before the second."""
    _, *rows = hospital.manifest.read_text().splitlines()
    first = "\n".join(["SubjectID,Channel_0,Label", *rows[:3]])
    hospital.manifest.write_text(f"{first}{ending}{between}\n" + "\n".join(rows[3:]) + "\n")


@pytest.mark.parametrize(
    "names",
    ["SubjectID,Channel_0,Label", "subjectID,channel_0,label", "\ufeffSubjectID,Channel_0,Label"],
    ids=["same", "small letters", "mark"],
)
def test_names_of_columns_further_down_are_one_error(hospital: Hospital, names: str) -> None:
    _joined(hospital, names)
    said = hospital.refuse("data.csv:5: this line repeats the names of the columns", "Delete this line")
    assert said.count("error: ") == 1


def test_three_joined_tables_are_told_with_all_lines(hospital: Hospital) -> None:
    _joined(hospital, "SubjectID,Channel_0,Label,,")
    hospital.manifest.write_text(hospital.manifest.read_text() + "SubjectID,Channel_0,Label\n")
    said = hospital.refuse("data.csv, lines 5, 9: these lines repeat", "Delete these lines")
    assert said.count("error: ") == 1


@pytest.mark.parametrize(
    "names", ["SubjectID,Label,Channel_0", "SubjectID;Channel_0;Label", "SubjectID,PatientID,Channel_0,Label"]
)
def test_rows_below_other_names_are_not_read_by_the_first_ones(hospital: Hospital, names: str) -> None:
    _joined(hospital, names)
    said = hospital.refuse("data.csv:5: another table begins on this line", "save the two tables as two files")
    assert said.count("error: ") == 1
    assert "repeats" not in said


def test_names_joined_to_a_line_without_an_end(hospital: Hospital) -> None:
    _joined(hospital, "SubjectID,Channel_0,Label", ending="")
    said = hospital.refuse("data.csv:4: the names of the columns stand at the end of this row", "End the line after")
    assert said.count("error: ") == 1


def test_words_of_people_are_no_names_of_columns(hospital: Hospital) -> None:
    first, *rows = hospital.manifest.read_text().splitlines()
    noted = [f"{first},Note", *(f"{row},Label" for row in rows)]
    hospital.manifest.write_text("\n".join(noted) + "\n")
    assert hospital.check().code == 0

"""Manifests: what is read, and every problem of a table at once, with its line and subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.manifests import touch, write_csv
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.cohort.paths import normal_path
from wardround.engine.study import Study

STUDY = study_of(SEGMENTATION)
PICTURES = study_of(CLASSIFICATION)
TWO_INPUTS = study_of(changed(SEGMENTATION, inputs=["T1w", "T2w"]))


def read(folder: Path, *lines: str, study: Study = STUDY, truth: Truth = Truth.REQUIRED) -> Cohort:
    touch(folder, "a.nii", "b.nii", "c.nii", "ma.nii", "mb.nii", "mc.nii", "sub folder/ä b.nii")
    return read_manifest(write_csv(folder / "data.csv", *lines), study, truth=truth)


def problems(folder: Path, *lines: str, study: Study = STUDY, truth: Truth = Truth.REQUIRED) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(folder, *lines, study=study, truth=truth)
    return [problem.render() for problem in caught.value.problems]


def test_rows_become_cases_in_their_order(tmp_path: Path) -> None:
    cohort = read(
        tmp_path,
        "SubjectID,Channel_0,Label,PatientID,Split,Age,MPP,Time,Event",
        "s2,b.nii,mb.nii,p,train,40,,1,0",
        "s1,a.nii,ma.nii,p,train,,0.5,2,1",
        'third,"sub folder/ä b.nii",mc.nii,q,test,,,,',
    )
    assert [case.subject for case in cohort.cases] == ["s2", "s1", "third"]
    assert [case.patient for case in cohort.cases] == ["p", "p", "q"]
    assert [case.split for case in cohort.cases] == ["train", "train", "test"]
    assert [case.row for case in cohort.cases] == [2, 3, 4]
    assert cohort.cases[0].channels == (tmp_path / "b.nii",)
    assert cohort.cases[2].channels == (tmp_path / "sub folder" / "ä b.nii",)
    assert cohort.cases[0].label == tmp_path / "mb.nii"
    assert cohort.cases[0].value is None


def test_without_a_patient_column_every_subject_is_a_patient(tmp_path: Path) -> None:
    cohort = read(tmp_path, "SubjectID,Channel_0,Label", "s1,a.nii,ma.nii", "s2,b.nii,mb.nii")
    assert [case.patient for case in cohort.cases] == ["s1", "s2"]
    assert {case.split for case in cohort.cases} == {None}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, separator: str, end: str, mark: bytes) -> None:
    touch(tmp_path, "im,a;ges/a.nii", "ma.nii")
    rows = [
        ["SubjectID", "Channel_0", "Label", ""],
        [' "s ""1""" ', '"im,a;ges/a.nii"', "ma.nii", ""],
        ["", "", "", ""],
    ]
    rows[1][0] = '"s ""1"""'
    text = end.join(separator.join(row) for row in rows) + end + end
    (tmp_path / "data.csv").write_bytes(mark + text.encode())
    (case,) = read_manifest(tmp_path / "data.csv", STUDY, truth=Truth.REQUIRED).cases
    assert case.subject == 's "1"'
    assert case.channels[0].read_text() == "im,a;ges/a.nii"


def test_backslashes_separate_folders_as_slashes_do(tmp_path: Path) -> None:
    cohort = read(tmp_path, "SubjectID,Channel_0,Label", r"s1,sub folder\ä b.nii,.\ma.nii")
    assert cohort.cases[0].channels[0].read_text() == "sub folder/ä b.nii"
    assert cohort.cases[0].label is not None
    assert cohort.cases[0].label.is_file()


def test_a_backslash_in_a_name_stays_what_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "odd\\name.nii")
    cohort = read(tmp_path, "SubjectID,Channel_0,Label", r"s1,odd\name.nii,ma.nii")
    assert cohort.cases[0].channels[0].name == "odd\\name.nii"


def test_absolute_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    cohort = read(tmp_path, "SubjectID,Channel_0,Label", f"s1,{tmp_path / 'a.nii'},ma.nii")
    assert cohort.cases[0].channels == (tmp_path / "a.nii",)


def test_channels_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    cohort = read(tmp_path, "Label,Channel_1,SubjectID,Channel_0", "ma.nii,b.nii,s1,a.nii", study=TWO_INPUTS)
    assert [path.name for path in cohort.cases[0].channels] == ["a.nii", "b.nii"]


def test_one_file_may_hold_all_inputs(tmp_path: Path) -> None:
    cohort = read(tmp_path, "SubjectID,Channel_0,Label", "s1,a.nii,ma.nii", study=TWO_INPUTS)
    assert len(cohort.cases[0].channels) == 1


@pytest.mark.parametrize("cell", ["1", "1.0", "malignant", " 1 "])
def test_a_value_is_the_class_by_number_or_name(tmp_path: Path, cell: str) -> None:
    cohort = read(tmp_path, "SubjectID,Channel_0,ValueToPredict", f"s1,a.nii,{cell}", study=PICTURES)
    assert cohort.cases[0].value == "1"
    assert cohort.cases[0].label is None


@pytest.mark.parametrize("lines", [("SubjectID,Channel_0", "s1,a.nii"), ("SubjectID,Channel_0,Label", "s1,a.nii,")])
def test_prediction_needs_no_truth(tmp_path: Path, lines: tuple[str, str]) -> None:
    assert read(tmp_path, *lines, truth=Truth.OPTIONAL).cases[0].label is None


def test_truth_that_is_named_must_exist_unless_it_is_not_read(tmp_path: Path) -> None:
    lines = ("SubjectID,Channel_0,Label", "s,a.nii,x.nii")
    assert "no such file" in problems(tmp_path, *lines, truth=Truth.OPTIONAL)[0]
    assert read(tmp_path, *lines, truth=Truth.UNREAD).cases[0].label is None


def test_every_problem_comes_at_once_with_line_and_subject(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "SubjectID,Channel_0,Label,PatientID,Split",
        "s1,a.nii,ma.nii,p1,train",
        "s1,aa.nii,,p1,test",
        ",sub folder,mb.nii,p2,trian",
        "s4,b.nii",
        "s5,c.nii,mc.nii,,",
    )
    assert found == [
        "data.csv:5: the row does not fit the header (got 2 cells; expected 5 cells). "
        "A cell that contains the separator must stand in quotation marks.",
        "data.csv:3, subject 's1', Channel_0: there is no such file (got 'aa.nii'; expected a file). "
        f"Put the file back into {tmp_path}, or correct the cell; paths are relative to the manifest.",
        "data.csv:3, subject 's1', Label: the cell is empty (got nothing; expected the mask). "
        "Fill it in, or take the row out of the table.",
        "data.csv:4, SubjectID: the cell is empty (got nothing; expected a SubjectID). "
        "Fill it in, or take the row out of the table.",
        "data.csv:4, Channel_0: this is a folder without DICOM files (got 'sub folder'; expected an image file). "
        "Put the image itself there, or name it in the manifest.",
        "data.csv:4, Split: unknown set 'trian' (got 'trian'; expected one of train, validation, test). "
        "Did you mean 'train'?",
        "data.csv:6, subject 's5', PatientID: the cell is empty (got nothing; expected a PatientID). "
        "Fill it in, or take the row out of the table.",
        "data.csv:6, subject 's5', Split: the cell is empty (got nothing; expected a Split). "
        "Fill it in, or take the row out of the table.",
        "data.csv:3, SubjectID: the subject 's1' stands on line 2 already "
        "(got 's1' again; expected each SubjectID once). "
        "Give every row its own SubjectID; rows of one person share a PatientID.",
        "data.csv, Split: the patient 'p1' is in 2 sets "
        "(got train on line 2; test on line 3; expected all rows of a patient in one set). "
        "Write the same set in all of these rows, or correct the PatientID.",
    ]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("SubjectId,Channel_0,Label", "expected a column SubjectID). Is it 'SubjectId'? Then rename that"),
        ("Subject_ID,Channel_0,Label", "expected a column SubjectID). Is it 'Subject_ID'?"),
        (
            "SubjectID,Channel_0,Mask",
            "the column 'Label' is missing (got SubjectID, Channel_0, Mask; expected a column Label). Is it 'Mask'?",
        ),
        ("SubjectID,Channel_0,label", "expected a column Label). Is it 'label'?"),
        (
            "SubjectID,Channel_0,Label,patientid",
            "unknown column 'patientid' (got 'patientid'; expected 'PatientID'). Did you mean 'PatientID'?",
        ),
        (
            "SubjectID,Channel_0,Label,Patient ID",
            "unknown column 'Patient ID' (got 'Patient ID'; expected 'PatientID'). Did you mean 'PatientID'?",
        ),
        (
            "SubjectID,Channel_0,Label,split",
            "unknown column 'split' (got 'split'; expected 'Split'). Did you mean 'Split'?",
        ),
        ("SubjectID,Channel_0,Label,Label", "the column 'Label' stands twice"),
        ("SubjectID,Channel_1,Label", "got 1 (Channel_1); expected 1 (Channel_0), one for each of T1w"),
        ("SubjectID,channel_0,Label", "got none; expected 1 (Channel_0), one for each of T1w). Is it 'channel_0'?"),
        ("SubjectID,Channel_0,Channel_1,Label", "got 2 (Channel_0, Channel_1); expected 1 (Channel_0)"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path: Path, header: str, words: str) -> None:
    found = problems(tmp_path, header, ",".join(["s1"] + ["a.nii"] * header.count(",")))
    assert any(words in problem for problem in found), found


def test_wrong_number_of_channel_columns_names_the_inputs(tmp_path: Path) -> None:
    study = study_of(changed(SEGMENTATION, inputs=["T1w", "T2w", "FLAIR"]))
    found = problems(tmp_path, "SubjectID,Channel_0,Channel_1,Label", "s,a.nii,b.nii,ma.nii", study=study)
    assert "got 2 (Channel_0, Channel_1); expected 3 (Channel_0, Channel_1, Channel_2)" in found[0]
    assert "one for each of T1w, T2w, FLAIR" in found[0]


@pytest.mark.parametrize("cell", ["2", "0.5", "nan", "inf", "maligant", "yes", "1e400"])
def test_a_value_that_is_no_class_is_told_with_the_classes(tmp_path: Path, cell: str) -> None:
    (found,) = problems(tmp_path, "SubjectID,Channel_0,ValueToPredict", f"s1,a.nii,{cell}", study=PICTURES)
    assert f"got '{cell}'; expected 0 (benign), 1 (malignant)" in found
    assert "data.csv:2, subject 's1', ValueToPredict" in found
    assert ("list the value in a class" in found) == (cell == "2")
    assert ("Did you mean 'malignant'?" in found) == (cell == "maligant")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"SubjectID,Channel_0,Label\n", "the manifest has no rows"),
        ("SubjectID,Channel_0,Label\ns,ä,b\n".encode("latin-1"), r"data.csv:2: these bytes are not UTF-8 text"),
        ("SubjectID,Channel_0,Label\n".encode("utf-16-le"), "the file is not UTF-8 text"),
        (b'SubjectID,Channel_0,Label\ns,"a.nii,ma.nii\n', r"data.csv:2: this row is not valid CSV"),
        (b'SubjectID,Channel_0,Label\ns,"a"b.nii,ma.nii\n', r"data.csv:2: this row is not valid CSV"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_manifest(tmp_path / "data.csv", STUDY, truth=Truth.REQUIRED)


def test_a_missing_manifest_or_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such table"):
        read_manifest(tmp_path / "none.csv", STUDY, truth=Truth.REQUIRED)
    with pytest.raises(InputError, match=r"the table is a folder"):
        read_manifest(tmp_path, STUDY, truth=Truth.REQUIRED)
    (found,) = problems(tmp_path, "SubjectID,Channel_0,Label", "s,images/a.nii,ma.nii")
    assert "images does not exist either: put it back, or correct the paths" in found


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "SubjectID,Channel_0,Label,Note", "", 's1,a.nii,ma.nii,"two', 'lines"', "s2,x.nii,ma.nii,"
    )
    assert found[0].startswith("data.csv:5, subject 's2', Channel_0")


def test_a_name_that_no_disk_can_have_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, "SubjectID,Channel_0,Label", f"s1,{'x' * 5000}.nii,ma.nii")
    assert "name too long" in found[0]


def _table_of(tmp_path: Path, count: int) -> list[str]:
    rows = [f"case-{number:02},img{number:02}.nii.gz,seg{number:02}.nii.gz" for number in range(count)]
    touch(tmp_path, *(name for row in rows for name in row.split(",")[1:]))
    return ["SubjectID,Channel_0,Label", *rows]


def test_files_that_are_gone_are_put_back_and_no_other_case_s_file_is_offered(tmp_path: Path) -> None:
    table = _table_of(tmp_path, 20)
    for number in (3, 5, 6, 7, 10):
        (tmp_path / f"seg{number:02}.nii.gz").unlink()
    found = problems(tmp_path, *table)
    assert found[0] == (
        "data.csv:5, subject 'case-03', Label: there is no such file (got 'seg03.nii.gz'; expected a file). "
        f"Put the files back into {tmp_path}, or correct the Label cells (data.csv: lines 5, 7 to 9, 12); paths are "
        "relative to the manifest."
    )
    assert len({each.partition("Put")[2] for each in found}) == 1, "one thing to do for all of them"
    (tmp_path / "img03.nii.gz").unlink()
    found = problems(tmp_path, *table)
    assert len(found) == 6
    assert all("(data.csv: Channel_0 on line 5; Label on lines 5, 7 to 9, 12)" in each for each in found)


@pytest.mark.parametrize(
    ("on_disk", "offered"),
    [
        ("seg03.nii", True),
        ("SEG03.nii.gz", True),
        ("seg_03.nii.gz", True),
        ("seg3.nii.gz", True),
        ("seg030.nii.gz", True),
        ("quite another.nii.gz", False),
    ],
)
def test_a_file_that_no_row_names_is_offered_for_one_that_it_is_like(
    tmp_path: Path, on_disk: str, offered: bool
) -> None:
    table = _table_of(tmp_path, 12)
    (tmp_path / "seg03.nii.gz").rename(tmp_path / on_disk)
    (found,) = problems(tmp_path, *table)
    assert (f"'{on_disk}'" in found) is offered
    assert ("Put the file back" in found) is not offered


def test_of_several_files_with_other_numbers_none_is_offered(tmp_path: Path) -> None:
    table = _table_of(tmp_path, 12)
    (tmp_path / "seg03.nii.gz").unlink()
    del table[7:9]
    (found,) = problems(tmp_path, *table)
    assert "Put the file back" in found


def test_a_file_that_is_left_over_is_not_offered_for_several_that_are_gone(tmp_path: Path) -> None:
    table = _table_of(tmp_path, 12)
    (tmp_path / "seg99.nii.gz").touch()
    for number in (3, 5):
        (tmp_path / f"seg{number:02}.nii.gz").unlink()
    assert not any("seg99" in each for each in problems(tmp_path, *table))


def test_a_table_of_a_folder_for_each_case_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, rows = 0, [f"s{number},s{number}/img.nii" for number in range(50)]

    def counted(base: Path, cell: str) -> str:
        nonlocal looked
        looked += 1
        return normal_path(base, cell)

    for number in range(50):
        (tmp_path / f"s{number}").mkdir()
    monkeypatch.setattr("wardround.engine.cohort.manifest.normal_path", counted)
    assert len(problems(tmp_path, "SubjectID,Channel_0", *rows, truth=Truth.OPTIONAL)) == 50
    assert looked == 50


def test_of_many_places_that_are_apart_the_first_are_listed(tmp_path: Path) -> None:
    table = _table_of(tmp_path, 30)
    for number in range(0, 30, 2):
        (tmp_path / f"seg{number:02}.nii.gz").unlink()
    assert "(data.csv: lines 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 5 more places)" in problems(tmp_path, *table)[0]

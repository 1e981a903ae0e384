"""A file that cannot be read as YAML is told in words, with its line and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.spoiling import unfit_for_people
from wardround.engine.basics.problems import InputError
from wardround.engine.study.documents import parse_document, read_document

HERE = Path("folder/study.yaml")
TABLE = "SubjectID,Channel_0,Label\na,a.nii.gz,b.nii.gz\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\n  b: 2\n", ":2", "Begin it in the same column as the line above"),
        ("a:\n  b: 1\n c: 2\n", ":3", "indented unlike the others of its section"),
        ("study: x\ntask segmentation\ninputs: [a]\n", ":2", "Write `task: segmentation`"),
        ("epochs = 5\nseed: 1\n", ":1", "Write `epochs: 5`"),
        ("a:1\nb: 2\n", ":1", "Write `a: 1`"),
        ("a: 1\nb:2\nc: 3\n", ":2", "Write `b: 2`"),
        ("a: 'open\nb: 2\n", ":1", "Close it with '"),
        ('a: 1\nb: "open\n', ":2", 'Close it with "'),
        ("a: [1, 2\nb: 3\n", ":1", "Close it with ]"),
        ("a: {b: 1\nc: 2\n", ":1", "Close it with }"),
        ("a: {b: 1 c: 2}\n", ":1", "a comma is missing"),
        ("a: {b: 1}}\n", ":1", "Take the surplus } out"),
        ("a: [1,,2]\n", ":1", "Take the surplus , out"),
        ("a: b: c\n", ":1", "Put the text in quotation marks: `a: 'b: c'`"),
        ("a: @x\n", ":1", "put all of it in quotation marks"),
        ("a: *x\n", ":1", "put all of it in quotation marks"),
        ("%\n", ":1", "put all of it in quotation marks"),
        ("- a\nb: 1\n", ":2", "a list and keys stand side by side"),
        ("a:\n  - b: 1\n  c: 2\n", ":3", "a list and keys stand side by side"),
        ("a: 1\n---\nb: 2\n", ":2", "Take out the line `---`"),
        ("a: 1\nb: 2\na: 3\n", ":3", "it stands on line 1 already"),
        ('a: "C:\\data"\n', ":1", "single quotation marks"),
        ('a: "C:\\new\\x"\n', ":1", "single quotation marks"),
        ("a: 1\nb: \x07\n", ":2", "type it again"),
        (f"a: {'9' * 5000}\n", ":1", "this number is too long"),
        ("a: 1\nb: 2024-13-45\n", ":2", "no such day"),
        ("a: !!int x\n", ":1", "Take the mark `!!` out"),
        ("a: 'it's'\n", ":1", "put all of it in quotation marks"),
        ("<<: 3\n", ":1", "an example"),
        (TABLE, "", "this is a table, not a YAML file"),
        (TABLE.replace(",", ";"), "", "named with `--manifest`"),
        ("", "", "the file is empty"),
        ("- a: 1\n", "", "take out the `-`"),
        ("just words\n", "", "Begin each line with a key"),
    ],
)
def test_each_slip_is_told_with_its_line_and_the_remedy(text: str, place: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_document(text, HERE)
    (problem,) = caught.value.problems
    assert problem.where == f"study.yaml{place}"
    assert words in problem.render()
    assert unfit_for_people(problem) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG image"),
        (b"\x1f\x8b\x08\x00", "a compressed file, such as an image in .nii.gz"),
        (b"PK\x03\x04\x14\x00", "an Excel or Word document"),
        (b"\x5c\x01\x00\x00" + b"\x00" * 340 + b"n+1\x00", "a NIfTI image"),
        (b"a: 1\n" * 4_000_000, "a file of megabytes"),
        (b"a: 1\nname: Universit\xe4t\n", "Save the file as UTF-8"),
    ],
    ids=["png", "gzip", "excel", "nifti", "huge", "latin"],
)
def test_another_file_in_the_place_of_a_study_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_document(path, "study")
    assert words in str(caught.value)
    assert unfit_for_people(caught.value.problems[0]) == []


def test_utf_16_is_read(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes("a: ä\n".encode("utf-16"))
    assert read_document(tmp_path / "study.yaml").content == {"a": "ä"}

"""A file that was copied out of a mail or a word processor is told each kind of foreign sign once, with its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.spoiling import unfit_for_people
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import parse_document, validate_document
from wardround.engine.study.models import Study

STUDY = """schema: 1
study: blobs
task: segmentation
inputs: [T1w]
classes: {left: 1, right: 2}
preprocessing:
  - orient: RAS
  - resample: {spacing: [1.0, 1.0, 1.0]}
patches: {size: [16, 16, 16], per_case: 2}
model: {name: unet, dimensions: 3, filters: 4, levels: 3}
training:
  loss: dice_ce
  optimizer: {name: adamw, learning_rate: 1e-3}
  epochs: 2
validation:
  metrics: [dice]
  select: dice
"""
"""Its indented lines are 7-8, 12-14 and 16-17."""


def told(text: str) -> list[Problem]:
    """What is said of a study."""
    try:
        validate_document(Study, parse_document(text, Path("study.yaml")), strict=True)
    except InputError as error:
        return [*error.problems]
    return []


def with_before_each_line(sign: str) -> str:
    return "".join(f"{sign}{line}\n" for line in STUDY.splitlines())


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (STUDY.replace("blobs", "“blobs”"), ":2", "Write plain quotation marks (\" or ')"),
        (STUDY.replace("blobs", "‘blobs’").replace("T1w", "„T1w“"), ", lines 2 and 4", "no quotation marks"),
        (STUDY.replace("study:", "“study”:").replace("unet", "«unet»"), ", lines 2 and 10", "no quotation marks"),
        (STUDY.replace("blobs", "`blobs`"), ":2", "no quotation marks"),
        (STUDY.replace("1e-3", "1e–3"), ":13", "With the hyphen of the keyboard this is `1e-3`"),
        (STUDY.replace("1e-3", "1e−3"), ":13", "With the hyphen of the keyboard this is `1e-3`"),
        (STUDY.replace("- orient", "– orient").replace("- resample", "• resample"), ", lines 7-8", "`–`, `•`"),
        (STUDY.replace("  ", "\u00a0\u00a0"), ", lines 7-8, 12-14 and 16-17", "<no-break space>- orient"),
        (
            STUDY.replace("  ", "\u00a0\u00a0").replace("\n", "\r\n"),
            ", lines 7-8, 12-14 and 16-17",
            "Type these blanks",
        ),
        (STUDY.replace("epochs: 2", "epochs: 2\u202f"), ":14", "Type these blanks again"),
        (STUDY.replace("epochs:", "epochs\u00a0:"), ":14", "Type these blanks again"),
        (STUDY.replace("16, 16", "16,\u00a016"), ":9", "Type these blanks again"),
        (STUDY.replace("epochs", "ep\u200bochs"), ":14", "a sign that cannot be seen"),
        (STUDY.replace("  ", "\t"), ", lines 7-8, 12-14 and 16-17", "Replace each tab by blanks"),
        (STUDY.replace("epochs: ", "epochs:\t"), ":14", "Replace each tab by blanks"),
        (STUDY.replace("study: ", "study:\t").replace("  epochs", "\tepochs"), ", lines 2 and 14", "each tab"),
        (with_before_each_line("> "), ", lines 1-17", "Remove the mail's `> ` at the beginnings of lines"),
        (with_before_each_line(">"), ", lines 1-17", "Remove the mail's `> `"),
        (with_before_each_line(">> "), ", lines 1-17", "Remove the mail's `> `"),
        (with_before_each_line("| "), ", lines 1-17", "Remove the mail's `| `"),
        (with_before_each_line("&gt; "), ", lines 1-17", "Remove the mail's `&gt; `"),
        (STUDY.replace("training:", "> training:"), ":11", "Remove the mail's `> `"),
        (f"```yaml\n{STUDY}```\n", ", lines 1 and 19", "Remove such lines"),
        (STUDY.replace("  epochs", "&nbsp; epochs"), ":14", "for `&nbsp;`"),
        (STUDY.replace("study: ", "study："), ":2", "Latin keyboard"),
    ],
)
def test_each_kind_of_copied_sign_is_told_once_with_its_lines(text: str, place: str, words: str) -> None:
    (problem,) = told(text)
    assert problem.where == f"study.yaml{place}"
    assert words in problem.render()
    assert unfit_for_people(problem) == []


def test_all_kinds_are_told_in_one_pass_and_what_else_is_wrong_beside_them() -> None:
    text = with_before_each_line("> ")
    for old, new in (
        ("blobs", "“blobs”"),
        ("1e-3", "1e–3"),
        ("  loss", "\u00a0\u00a0loss"),
        ("epochs", "epochz"),
        ("  select", "\tselect"),
    ):
        text = text.replace(old, new)
    assert [problem.where for problem in told(text)] == [
        "study.yaml, lines 1-17",
        "study.yaml:12",
        "study.yaml:2",
        "study.yaml:13",
        "study.yaml:17",
        "study.yaml:14, training.epochz",
    ]


def test_a_line_of_which_a_sign_is_told_is_not_called_wrong_once_more() -> None:
    assert [problem.where for problem in told(STUDY.replace("blobs", "‘it’s’"))] == ["study.yaml:2"]
    assert [problem.where for problem in told(STUDY.replace("blobs", "‘it’s’").replace("[dice]", "[dice"))] == [
        "study.yaml:2"
    ]


@pytest.mark.parametrize(
    "text",
    [
        STUDY,
        STUDY.replace("study: blobs", "study: 'blobs' # “it’s” – 1e–3\u00a0>"),
        f"# > “quoted” – and\tmore\u00a0\n{STUDY}",
        STUDY.replace("16, 16", "16,\t16"),
    ],
    ids=["plain", "comment", "first comment", "tab in brackets"],
)
def test_signs_that_do_no_harm_are_not_told(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    "line",
    ["a: /data/Ärzte – neu/1–3/x’s “y”", "a: 'x\u00a0'", 'a: "– >"', "a: |\n  > b", "a: b&c", "a: K’s\u00a0b"],
)
def test_signs_within_a_text_are_its_own(line: str) -> None:
    assert parse_document(f"{line}\n", Path("site.yaml")).copied == ()

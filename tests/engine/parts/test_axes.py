"""The axes of a flip are numbers from 0; letters, counting from 1 and doubled axes are told with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.study.test_copied import STUDY
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import parse_document, validate_document
from wardround.engine.study.models import Study

_COUNTED = "Axes are counted from 0: the first is 0, the second 1, the third 2; write "


def told(axes: str) -> list[Problem]:
    text = f"{STUDY}augmentation:\n  - flip: {axes}\n"
    try:
        validate_document(Study, parse_document(text, Path("study.yaml")), strict=True)
    except InputError as error:
        return [*error.problems]
    return []


@pytest.mark.parametrize(
    ("axes", "remedy"),
    [
        ("{axes: [x, z]}", "Axes are numbers: in volumes x is 0, y 1 and z 2; write `axes: [0, 2]`"),
        ("{axes: [X, y]}", "write `axes: [0, 1]`; for images of two axes, `axes: [0, 1]`"),
        ("[x]", "write `flip: [0]`; for images of two axes, `flip: [1]`"),
        ("{axes: xyz}", "write `axes: [0, 1, 2]`"),
        ("{axes: [1, 2, 3]}", f"{_COUNTED}`axes: [0, 1, 2]`"),
        ("[2, 3]", f"{_COUNTED}`flip: [1, 2]`"),
        ("{axes: 1}", f"{_COUNTED}`axes: [1]`"),
        ("{axes: '0, 1'}", f"{_COUNTED}`axes: [0, 1]`"),
        ("{axes: [0, 3]}", f"{_COUNTED}for example `axes: [0]`, or `axes: all`"),
        ("{axes: [-1]}", f"{_COUNTED}for example `axes: [0]`, or `axes: all`"),
        ("{axes: [left]}", f"{_COUNTED}for example `axes: [0]`, or `axes: all`"),
        ("{axes: [1, 1]}", "Write each axis once, such as `axes: [1]`"),
    ],
)
def test_axes_that_cannot_be_used_are_told_once_with_what_to_write(axes: str, remedy: str) -> None:
    (problem,) = told(axes)
    assert problem.remedy.endswith(remedy)


@pytest.mark.parametrize("axes", ["all", "[0, 1]", "{axes: [2, 0]}", "{axes: []}", "{probability: 0.1}"])
def test_axes_that_can_be_used_are_taken(axes: str) -> None:
    assert told(axes) == []

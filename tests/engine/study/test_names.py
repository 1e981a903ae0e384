"""A name in another script or with other signs is answered with one that reads like it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study import load_study

ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,63}")


def _problems(folder: Path, **sections: object) -> tuple[Problem, ...]:
    write_study(folder / "study.yaml", changed(SEGMENTATION, **sections))
    with pytest.raises(InputError) as caught:
        load_study(folder / "study.yaml")
    return tuple(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("deep grey, left", "deep grey left"),
        ("weiße Substanz", "weisse Substanz"),
        ("Übergang (Rand)", "Uebergang Rand"),
        ("éclair  côté", "eclair cote"),
        ("-lead", "lead"),
        ("a" * 80, "a" * 64),
    ],
)
def test_a_class_is_called_what_it_can_be_called(tmp_path: Path, name: str, meant: str) -> None:
    (problem,) = _problems(tmp_path, classes={name: 1, "right": 2})
    assert problem.remedy == f"Call it for example `{meant}`"
    assert ALLOWED.fullmatch(meant)
    write_study(tmp_path / "study.yaml", changed(SEGMENTATION, classes={meant: 1, "right": 2}))
    assert meant in load_study(tmp_path / "study.yaml").class_names


def test_of_another_script_nothing_is_left_and_that_is_said(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, classes={"肝臓": 1, "right": 2})
    assert problem.remedy == "Give it a name of these characters"


def test_an_input_is_called_what_it_can_be_called(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, inputs=["T1 (prä)"])
    assert problem.remedy == "Write for example `T1 prae`"

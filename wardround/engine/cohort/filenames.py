"""Subjects as names of files: a predicted mask is called like its case."""

from __future__ import annotations

import re

from wardround.engine.basics.problems import Problem

_APART = re.compile(r"[/\\\0]+")


def names_a_file(subject: str) -> bool:
    """Whether a file that people see can be called so."""
    return subject == _as_name(subject)


def no_name_of_a_file(subject: str, where: str) -> Problem:
    """What is said of a subject after which no file can be called."""
    name = _as_name(subject).strip("-.")
    return Problem(
        "this SubjectID cannot name a file, as it must for a predicted mask",
        where,
        repr(subject),
        "a name without / and \\ that does not begin with a dot",
        f"Write {name}" if name else "Give the case another SubjectID",
    )


def _as_name(subject: str) -> str:
    return _APART.sub("-", subject).lstrip(".")

"""Read a study from a file, or from the canonical form that crosses the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from wardround import __version__
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import Document, read_document, require_kind, validate_document
from wardround.engine.study.models import Study


def load_study(path: Path) -> Study:
    """The study of a YAML file. Raises `InputError` with every problem of the file."""
    document = read_document(path, "study")
    require_kind(Study, document, "study")
    return validate_document(Study, document, strict=True)


def study_to_bytes(study: Study) -> bytes:
    """The canonical form, whose SHA-256 is the study's digest."""
    return canonical_model(study)


def study_from_bytes(content: bytes) -> Study:
    """The study of a canonical form.

    Raises:
        InputError: it is not one, or not in canonical bytes; or, with every problem, it asks for what this installation
            does not have, such as a part of a package that is not installed.
    """
    try:
        study = validate_document(Study, Document.of_values(Path("study"), _values(content)), strict=True)
    except RecursionError:
        raise _not_canonical("values nested too deeply") from None
    except InputError as error:
        raise InputError((*error.problems, *_later(error))) from None
    if study_to_bytes(study) != content:
        raise InputError.one("the study's bytes are not canonical", expected="sorted keys, all defaults filled in")
    return study


def _later(error: InputError) -> Iterator[Problem]:
    """A program has written these bytes: a name that is unknown here is no slip of the pen."""
    if all(problem.what.startswith("unknown ") for problem in error.problems):
        yield Problem(
            "the study was written by a release or with a package that this installation has not got",
            got=f"release {__version__}",
            remedy="Update Wardround on this machine, or install the package that the study's author used",
        )


def _values(content: bytes) -> JsonValue:
    try:
        values: JsonValue = json.loads(content)
    except ValueError as error:
        raise _not_canonical(type(error).__name__) from None
    if not isinstance(values, dict) or values.get("schema") != 1:
        raise _not_canonical("other values")
    return values


def _not_canonical(got: str) -> InputError:
    return InputError.one("this is not a study in canonical form", got=got, expected="JSON of schema 1")

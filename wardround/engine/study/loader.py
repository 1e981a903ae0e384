"""Read a study from a file, or from the canonical form that crosses the wire."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.study.documents import read_document, validate_document
from wardround.engine.study.flaws import as_tuples
from wardround.engine.study.models import Study


def load_study(path: Path) -> Study:
    """The study of a YAML file. Raises `InputError` with every problem of the file."""
    return validate_document(Study, read_document(path), strict=True)


def study_to_bytes(study: Study) -> bytes:
    """The canonical form, whose SHA-256 is the study's digest."""
    return canonical_model(study)


def study_from_bytes(content: bytes) -> Study:
    """The study of a canonical form. Raises `InputError` when it is not one, or not in canonical bytes."""
    try:
        study = Study.model_validate(as_tuples(json.loads(content)), strict=True)
    except (ValidationError, ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise InputError.one("this is not a study in canonical form", got=kind, expected="JSON of schema 1") from None
    if study_to_bytes(study) != content:
        raise InputError.one("the study's bytes are not canonical", expected="sorted keys, all defaults filled in")
    return study

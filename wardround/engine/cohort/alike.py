"""Patients that are written in several ways: `p-01`, `P-01`, `p_01` and `p1` may be one, and nobody else can know."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from wardround.engine.cohort.models import Cohort
from wardround.engine.cohort.spelling import folded

_PARTS = re.compile(r"\d+|[^\W\d_]+")
_AS_FLOAT = re.compile(r"(\d+)[.,]0+")
"""A whole number as programs write it that take it for one with decimals."""


def alike_patients(cohort: Cohort) -> Iterator[dict[str, int]]:
    """Names of patients that may be one, with the first line of each, where there are several."""
    groups: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for case in cohort.cases:
        if case.row:
            groups[plain_form(case.patient)].setdefault(case.patient, case.row)
    yield from (names for form, names in groups.items() if form and len(names) > 1)


def plain_form(name: str) -> tuple[str, ...]:
    """The same for names that differ by capital letters, accents, zeros before numbers, or signs between the parts.

    Numbers with a sign between them stay apart: `1-12` and `11-2` are two patients.
    """
    whole = _AS_FLOAT.fullmatch(name)
    parts: list[str] = []
    for part in _PARTS.findall(_bare(whole[1] if whole else name)):
        if part.isdigit():
            parts.append(part.lstrip("0") or "0")
        elif parts and not parts[-1].isdigit():
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def _bare(name: str) -> str:
    """A name in small letters without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", folded(name)) if not unicodedata.combining(sign))

"""The same image in several rows: refused where it would stand on two sides of a split, counted once where it repeats.

An image is named by its decoded voxels and their arrangement alone. The file's format, its compression, and what its
header says of place and person play no part, nor do the mask or the value beside it: a network sees the voxels, and
would be tested on what it learned. Images that were changed (compressed with loss, resampled, cropped) are others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.problems import Findings
from wardround.engine.cohort.models import Case, Cohort, Split


@dataclass(frozen=True)
class Content:
    """What one row shows and what it says of it: digests of the decoded channels, and of the mask or the value."""

    image: str
    truth: str


Contents = Mapping[str, Content]
"""By subject; rows without one are known to have no twin, or were not read."""


def voxels_digest(channels: Iterable[np.ndarray]) -> str:
    """SHA-256 over arrays with one number type: their shapes and their values, in their order."""
    digest = hashlib.sha256()
    for array in channels:
        digest.update(canonical_json([*array.shape]))
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def said_by(case: Case) -> str:
    """What a row says beside its images, if there is no mask: its value, and its columns where the network sees
    them."""
    value = case.value or ""
    return sha256_hex(canonical_json([value, *case.columns])) if case.columns else value


def row_content(case: Case) -> Content:
    """Of a row without images, which repeats none: two patients may well have the same age and findings."""
    return Content(sha256_hex(canonical_json(["row", case.subject, *case.columns])), said_by(case))


def repeated_rows(cohort: Cohort, contents: Contents) -> dict[str, str]:
    """Rows that show and say the same as another one, by subject: the row that stands for them, the first by name."""
    first: dict[Content, str] = {}
    repeats = {}
    for case in sorted(cohort.cases, key=lambda case: (case.patient, case.subject)):
        content = contents.get(case.subject)
        if content is not None and first.setdefault(content, case.subject) != case.subject:
            repeats[case.subject] = first[content]
    return repeats


def without_repeats(split: Split, repeats: Mapping[str, str]) -> Split:
    """A split in which rows that repeat another one are left out: they are neither learned from nor counted twice."""
    return Split(*(tuple(case for case in cases if case.subject not in repeats) for cases in split.sets.values()))


def find_leaks(cohort: Cohort, splits: Mapping[str, Split], contents: Contents, findings: Findings) -> None:
    """Tell of every row whose image is also in another set of a split; each pair once. `splits` are by name."""
    told: set[str] = set()
    for name, split in splits.items():
        first: dict[str, tuple[str, Case]] = {}
        for subset, cases in split.sets.items():
            for case in _known(cases, contents):
                other, twin = first.setdefault(contents[case.subject].image, (subset, case))
                if other != subset and not {case.subject, twin.subject} <= told:
                    told |= {case.subject, twin.subject}
                    _tell(cohort, (case, subset), (twin, other), name if len(splits) > 1 else "", findings)


def _known(cases: Sequence[Case], contents: Contents) -> list[Case]:
    return [case for case in cases if case.subject in contents]


def _tell(cohort: Cohort, row: tuple[Case, str], twin: tuple[Case, str], name: str, findings: Findings) -> None:
    (other, where), (case, subset) = sorted((row, twin), key=lambda told: told[0].row)
    findings.add(
        f"this case has the same image as {other.subject!r} of the {where} set",
        where=cohort.place(case, ""),
        got=f"a {subset} case" + (f" of {name}" if name else ""),
        remedy=_about_one_file(case, other) or "Remove one of them, or give both the same PatientID",
    )


def _about_one_file(case: Case, other: Case) -> str:
    """What to do where two rows name one file; empty where they name two."""
    if case.channels != other.channels or not other.row:
        return ""
    return (
        f"This row and line {other.row} name {case.channels[0].name}: name in each the image of its own subject; or, "
        "if both mean this one, remove one of them, or give both the same PatientID"
    )

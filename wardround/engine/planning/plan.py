"""A study that follows from a manifest alone, and why it is as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.dicom import REFUSING
from wardround.engine.basics.flaws import flow
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.planning.decision import Budget
from wardround.engine.planning.fingerprint import Fingerprint
from wardround.engine.planning.intensities import tomographic
from wardround.engine.planning.matter import SEGMENTATION, Matter, input_names, require_names, truth_entries
from wardround.engine.planning.voxels import segmentation_entries
from wardround.engine.planning.whole import whole_entries
from wardround.engine.planning.wording import Entry, plain, slug, study_of
from wardround.engine.study import Study
from wardround.engine.study.documents import parse_document, validate_document


@dataclass(frozen=True)
class Plan:
    """A planned study.

    Attributes:
        text: the study with its comments.
        study: the same, read.
        fingerprint: what it was planned from.
        entries: each decision with its reason.
    """

    text: str
    study: Study
    fingerprint: Fingerprint
    entries: tuple[Entry, ...]


def plan_study(matter: Matter, print_: Fingerprint, budget: Budget, file: Path) -> Plan:
    """The study for the cases of a manifest, as it will stand in `file`; nothing is written.

    Raises `InputError` with what is wrong with the table as this study reads it.
    """
    _require_structures(matter, print_)
    require_names(matter)
    entries = tuple(_entries(matter, print_, budget))
    cases = f"{print_.cases} cases of {plain(matter.manifest.name)}"
    text = study_of(
        f"Planned from {cases} by `wardround plan`. It is an ordinary study: change what you like, then ask "
        "`wardround check` with `--full`",
        entries,
    )
    study: Study = validate_document(Study, parse_document(text, file))
    read_manifest(matter.manifest, study, truth=Truth.REQUIRED)
    return Plan(text, study, print_, entries)


def _require_structures(matter: Matter, print_: Fingerprint) -> None:
    if matter.task == SEGMENTATION and not print_.classes:
        raise InputError.one(
            "no mask has a structure",
            where=matter.manifest.name,
            got=f"{print_.cases} masks of zeros alone",
            expected="a number above 0 for each structure",
            remedy="Are these the right files in the column Label?",
        )


def _entries(matter: Matter, print_: Fingerprint, budget: Budget) -> Iterator[Entry]:
    kinds = tomographic(print_)
    inputs = input_names(matter, len(print_.channels), kinds.value)
    name = matter.study.study if matter.study else slug(matter.title or matter.manifest.stem, "planned")
    yield Entry("study", ("schema: 1", f"study: {name}", f"task: {matter.task}"))
    yield Entry("inputs", (f"inputs: {flow(list(inputs))}",), kinds.reason)
    yield from truth_entries(matter, print_)
    if matter.dicom != REFUSING:
        yield Entry("dicom", (f"dicom: {flow(matter.dicom.model_dump())}",))
    if matter.task == SEGMENTATION:
        yield from segmentation_entries(print_, inputs, kinds.value, budget)
    else:
        yield from whole_entries(matter, print_, inputs, kinds.value, budget)
    yield Entry("seed", (f"seed: {matter.study.seed if matter.study else 42}",))

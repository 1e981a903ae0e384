"""What a run learned from and was chosen by, kept beside its model folder, so that it is never scored as unseen.

A model folder can be given away, and digests of patients' numbers can be guessed: so the record is not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import write_private
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.assignment import patient_digest, subject_digest
from wardround.engine.cohort.twins import voxels_digest
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import read_image

LEARNED = "learned.json"
Use = Literal["training", "validation"]


class Learned(Closed):
    """How a run used its cases: by digests of patients and rows, and by the digests of their decoded images."""

    format: Literal[1] = 1
    seed: int
    names: dict[str, Use]
    images: dict[str, Use]


def write_learned(folder: Path, bench: Workbench) -> None:
    """Write the record of a run's folder; it stays as it is once it is there."""
    path = folder / LEARNED
    if path.exists():
        return
    uses: Mapping[Use, tuple[Case, ...]] = {"validation": bench.split.validation, "training": bench.split.train}
    seed, names, images = bench.study.seed, dict[str, Use](), dict[str, Use]()
    for use, cases in uses.items():
        for case in cases:
            names |= dict.fromkeys(_names(seed, case), use)
            images[bench.stored[case.subject].content.image] = use
    write_private(path, canonical_model(Learned(seed=seed, names=names, images=images)))


def unseen(model: Path, cohort: Cohort) -> tuple[Cohort, dict[str, Use]]:
    """The cases that the model of a run has not seen, and how it used the others, by subject.

    Without a record, as beside a model that came from elsewhere, every case counts as unseen. Raises `InputError` for a
    damaged record, or if nothing is left.
    """
    learned = _read(model.absolute().parent / LEARNED)
    if learned is None:
        return cohort, {}
    found = {case.subject: _use(learned, case) for case in cohort.cases}
    used = {subject: use for subject, use in found.items() if use is not None}
    left = tuple(case for case in cohort.cases if case.subject not in used)
    if not left:
        raise InputError.one(
            "the model has seen every case of this table in training or validation",
            where=cohort.manifest.name,
            remedy="Give it cases that it has not seen; those that it was trained with say nothing of its quality",
        )
    return Cohort(cohort.manifest, left, cohort.patients), used


def _use(learned: Learned, case: Case) -> Use | None:
    for name in _names(learned.seed, case):
        if name in learned.names:
            return learned.names[name]
    try:
        image = voxels_digest(channel for path in case.channels for channel in read_image(path).data)
    except InputError:
        return None  # told when it is scored
    return learned.images.get(image)


def _names(seed: int, case: Case) -> tuple[str, ...]:
    """A patient is known by its name; a row without a patient by its own."""
    return tuple(dict.fromkeys((patient_digest(seed, case.patient), subject_digest(seed, case.subject))))


def _read(path: Path) -> Learned | None:
    try:
        return Learned.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise InputError.one(
            "the record of what the model learned from is damaged",
            where=str(path),
            remedy="Restore it from a copy. Without it, cases that were trained would count as unseen",
        ) from None

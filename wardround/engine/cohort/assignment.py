"""Who is in which set, written down: a table that grows or shrinks must not move a patient from one set to another.

Fresh folds are a function of the whole table, so that one more row may move anybody. Where work goes on, each patient
that was placed keeps its fold at every level ("outer", "inner 0", ... or "stated" for a `Split` column), also while it
is not in the table; only newcomers are placed. The record holds digests instead of names. It stays at the hospital all
the same: digests of patients' numbers can be guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_json, canonical_model, sha256_hex
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import DamagedError, checked, read_checked, write_private
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.randomness import stream_key
from wardround.engine.basics.releases import later_release
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.twins import Contents
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of

STATED = "stated"
SETS = ("train", "validation", "test")
SETS_FILE = "sets.json"
"""The record in a run's folder, beside its folds."""


class SetConflict(Problem):
    """A row that contradicts the record: it would move somebody from one set to another."""


class Placed(Closed):
    """One patient: the class, or other stratum, of each of its cases when it was placed, and its fold by level."""

    values: tuple[str, ...]
    folds: dict[str, int]


class Assignment(Closed):
    """The record of a study's folds on one cohort.

    Attributes:
        seed, outer_folds, inner_folds: of the study; with others the levels would mean something else.
        stated: whether the sets come from the manifest's `Split` column.
        patients: by digest of the patient's name.
        subjects: the patient of every row that was ever seen, by digest of its `SubjectID`.
        images: the patient of every image that was ever used, by the digest of its voxels.
    """

    format: Literal[1] = 1
    seed: int
    outer_folds: int
    inner_folds: int
    stated: bool
    patients: dict[str, Placed] = Field(default_factory=dict)
    subjects: dict[str, str] = Field(default_factory=dict)
    images: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def begin(cls, study: Study, *, stated: bool) -> Assignment:
        """A record in which nobody is placed yet."""
        folds = study.validation
        return cls(seed=study.seed, outer_folds=folds.outer_folds, inner_folds=folds.inner_folds, stated=stated)

    def with_images(self, cohort: Cohort, contents: Contents) -> Assignment:
        """The same record with the images of the cohort. Raises `InputError` for one that was in another set before."""
        findings, seen = Findings(), dict[str, str]()
        for case in cohort.cases:
            key, image = self.subjects[self.digest_of_subject(case.subject)], contents[case.subject].image
            former = self.images.get(image)
            if former is not None and not self.agree(former, key):
                conflict = SetConflict(
                    "the image of this row was in another set when this work began",
                    where=cohort.place(case, ""),
                    remedy=f"Give the row the {_who(cohort)} that it had, or begin a new run in another folder",
                )
                findings.extend([conflict])
            seen.setdefault(image, key)
        findings.raise_if_any()
        return self.model_copy(update={"images": seen | self.images})

    def agree(self, one: str, other: str) -> bool:
        """Whether two patients of the record are in the same fold wherever both are placed."""
        first, second = self.patients[one].folds, self.patients[other].folds
        return all(first[level] == second[level] for level in first.keys() & second.keys())

    def digest_of_patient(self, name: str) -> str:
        """What stands for a patient's name."""
        return patient_digest(self.seed, name)

    def digest_of_subject(self, name: str) -> str:
        """What stands for a row's name."""
        return subject_digest(self.seed, name)


def patient_digest(seed: int, name: str) -> str:
    """What stands for a patient's name in records of a study with this seed."""
    return sha256_hex(canonical_json([seed, "patient", name]))


def subject_digest(seed: int, name: str) -> str:
    """What stands for a row's name."""
    return sha256_hex(canonical_json([seed, "subject", name]))


def read_assignment(path: Path) -> Assignment | None:
    """The record of a file; None where there is none. Raises `InputError` when it is damaged, OSError when it cannot be
    read."""
    try:
        return Assignment.model_validate_json(read_checked(path))
    except FileNotFoundError:
        return None
    except (DamagedError, ValidationError) as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None  # rights, or a file in the folder's place: nothing is wrong with the record
        raise later_release(error, path) or InputError.one(
            "the record of who is in which set is damaged",
            where=str(path),
            remedy="Restore it from a copy, or begin a new run in another folder",
        ) from None


def write_assignment(path: Path, assignment: Assignment) -> None:
    """Keep a record, for its owner alone, unless it is kept already."""
    if read_assignment(path) != assignment:
        write_private(path, checked(canonical_model(assignment)))


class Register:
    """A record under extension: the patients of one cohort, under the digests by which they are known."""

    def __init__(self, study: Study, cohort: Cohort, known: Assignment | None) -> None:
        """Raises `InputError` with every row that would have to be in two sets, or for a record of other folds."""
        stated = any(case.split is not None for case in cohort.cases)
        fresh = Assignment.begin(study, stated=stated)
        self._target, self._known = target_of(study), fresh if known is None else known
        _require_same_folds(fresh, self._known, cohort)
        self._cases: dict[str, list[Case]] = {}
        for case in cohort.cases:
            self._cases.setdefault(case.patient, []).append(case)
        self._keys = _identify(self._known, self._cases, cohort)
        self._folds: dict[str, dict[str, int]] = {
            key: dict(placed.folds) for key, placed in self._known.patients.items()
        }

    def fold_of(self, patient: str, level: str) -> int | None:
        """The fold in which a patient is at a level, if it has been placed there."""
        return self._folds.get(self._keys[patient], {}).get(level)

    def place(self, patient: str, level: str, fold: int) -> None:
        """Put a patient into a fold, for good."""
        self._folds.setdefault(self._keys[patient], {})[level] = fold

    def sizes(self, level: str, count: int) -> list[Counter[str]]:
        """Cases by class in each fold of a level. Patients that have gone count as they did: they free nothing up."""
        sizes = [Counter[str]() for _ in range(count)]
        values = self._values()
        for key, folds in self._folds.items():
            if level in folds:
                sizes[folds[level]].update(values[key])
        return sizes

    def record(self) -> Assignment:
        """What is known now."""
        known, values = self._known, self._values()
        subjects = {
            known.digest_of_subject(case.subject): self._keys[patient]
            for patient, cases in self._cases.items()
            for case in cases
        }
        patients = {key: Placed(values=values[key], folds=folds) for key, folds in self._folds.items()}
        return known.model_copy(update={"patients": patients, "subjects": known.subjects | subjects})

    def _values(self) -> dict[str, tuple[str, ...]]:
        found = {key: placed.values for key, placed in self._known.patients.items()}
        present: dict[str, list[str]] = {}
        for patient, cases in self._cases.items():
            present.setdefault(self._keys[patient], []).extend(self._target.stratum(case.value) for case in cases)
        return found | {key: tuple(sorted(values)) for key, values in present.items()}


def joining_order(study: Study, level: str, patients: Iterable[str]) -> list[str]:
    """Newcomers in an order of their own, whatever the table's is."""
    return sorted(patients, key=lambda patient: stream_key(study.seed, "joins", level, patient))


def joining_fold(sizes: list[Counter[str]], values: Iterable[str]) -> int:
    """Where a newcomer goes: to the fold that has the fewest cases of its classes, then the fewest cases."""
    mine = Counter(values)
    shares = [(sum(mine[value] * size[value] for value in mine), size.total()) for size in sizes]
    return shares.index(min(shares))


def _require_same_folds(fresh: Assignment, known: Assignment, cohort: Cohort) -> None:
    findings = Findings()
    for name in ("seed", "outer_folds", "inner_folds"):
        now, then = getattr(fresh, name), getattr(known, name)
        if now != then:
            findings.add(
                f"the sets that are kept here were made with another {name}",
                where=cohort.manifest.name,
                got=str(now),
                expected=str(then),
                remedy="Begin a new run in another folder",
            )
    if fresh.stated != known.stated:
        had, has = ("a", "none") if known.stated else ("no", "one")
        conflict = SetConflict(
            f"this work began with {had} Split column, and the table has {has} now",
            where=cohort.manifest.name,
            remedy="Put the column back as it was, or begin a new run in another folder",
        )
        findings.extend([conflict])
    findings.raise_if_any()


def _who(cohort: Cohort) -> str:
    """The column by which a row's patient is known."""
    return "PatientID" if cohort.patients.stated else "SubjectID"


def _identify(known: Assignment, patients: Mapping[str, list[Case]], cohort: Cohort) -> dict[str, str]:
    """The digest under which each patient is recorded: its own, or that of whoever had its rows before."""
    findings, keys = Findings(), dict[str, str]()
    for patient, cases in patients.items():
        own = known.digest_of_patient(patient)
        former = [known.subjects.get(known.digest_of_subject(case.subject)) for case in cases]
        held = [key for key in (own if own in known.patients else None, *former) if key is not None]
        keys[patient] = held[0] if held else own
        for case, key in zip(cases, former, strict=True):
            if key is not None and not known.agree(keys[patient], key):
                conflict = SetConflict(
                    f"this row was in another set when this work began than patient {patient!r} is in",
                    where=cohort.place(case, "PatientID"),
                    remedy="Give it the PatientID that it had, or begin a new run in another folder",
                )
                findings.extend([conflict])
    findings.raise_if_any()
    return keys

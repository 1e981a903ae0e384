"""Manifests whose images need not be images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from wardround.engine.cohort import Case, Cohort


def touch(folder: Path, *names: str) -> None:
    """Make files that exist."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def write_csv(path: Path, *lines: str) -> Path:
    """Write the lines as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cohort_of(patients: Mapping[str, Iterable[str | None]], split: Mapping[str, str] | None = None) -> Cohort:
    """A cohort with one case per value of each patient."""
    cases = [
        Case(f"{patient}-{number}", patient, (Path(f"/{patient}-{number}.nii"),), None, value, None, 0)
        for patient, values in patients.items()
        for number, value in enumerate(values)
    ]
    if split is not None:
        cases = [Case(**{**vars(case), "split": split[case.patient]}) for case in cases]
    return Cohort(Path("data.csv"), tuple(cases))

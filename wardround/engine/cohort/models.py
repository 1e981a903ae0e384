"""Cases, cohorts and splits of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One row of a manifest: the images of one subject at one time, with their truth.

    Attributes:
        subject: unique within the manifest.
        patient: what splits are grouped by; the subject where the manifest has no `PatientID`.
        channels: absolute paths, one per input of the study, or a single one of a file that holds them all.
        label: path of the mask, or None.
        value: what the table tells of the truth, as the study's kind of truth keeps it (`Target.value`): for a
            classification the class's number as written in the study (`"1"`); or None.
        split: `train`, `validation`, `test` or None, from the manifest's `Split`.
        row: line of the manifest, counted from 1, for messages; 0 where there is no manifest.
        columns: what the network is given of the row, in the order of the study's columns: a number, the place of a
            level, or None where the cell is missing.
        table: the manifest's name, for messages; empty where there is none.
        targets: paths of the images that are to be made of it, one for each of the study's targets; empty elsewhere.
    """

    subject: str
    patient: str
    channels: tuple[Path, ...]
    label: Path | None
    value: str | None
    split: str | None
    row: int
    table: str = ""
    columns: tuple[float | None, ...] = ()
    targets: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """How messages name it: `data.csv:12, subject 'a'`."""
        return place(Path(self.table), self.row, self.subject, "")

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files: the channels, then the mask or the images that are to be made, if there are any."""
        return (*self.channels, *(() if self.label is None else (self.label,)), *self.targets)


@dataclass(frozen=True)
class Patients:
    """How a manifest tells patients apart.

    Attributes:
        stated: whether it has a `PatientID` column; without one each row counts as a patient of its own.
        likely: without that column, what looks as if it told patients apart all the same, in words.
    """

    stated: bool = True
    likely: tuple[str, ...] = ()

    def counted(self, count: int) -> str:
        """A number of patients; rows are not called patients where nobody has said whose they are."""
        word = "patient" if self.stated else "row"
        return f"{count} {word}" if count == 1 else f"{count} {word}s"


@dataclass(frozen=True)
class Cohort:
    """The cases of one manifest, or of one folder of images, in its order."""

    manifest: Path
    cases: tuple[Case, ...]
    patients: Patients = Patients()

    def place(self, case: Case, column: str) -> str:
        """Where something is wrong, for messages: `data.csv:12, subject 'a', Label`."""
        return place(self.manifest, case.row, case.subject, column)


@dataclass(frozen=True)
class Split:
    """Three sets of cases that share no patient."""

    train: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]

    @property
    def sets(self) -> dict[str, tuple[Case, ...]]:
        """The sets by the names that people read."""
        return {"training": self.train, "validation": self.validation, "test": self.test}


def place(manifest: Path, row: int, subject: str, column: str) -> str:
    """Where something is wrong, leaving out what is not known."""
    line = f"{manifest.name}:{row}" if row and manifest.name else manifest.name
    return ", ".join(part for part in (line, f"subject {subject!r}" if subject else "", column) if part)

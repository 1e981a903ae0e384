"""What a program for keeping runs is told, and the interface by which it is told.

A run tells numbers by step, the study's settings, and digests. No name or path of a patient, a case, a file or a
machine is among them: such programs may keep what they are told on another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

Scalars: TypeAlias = Mapping[str, float]
"""Numbers by name, as `train/loss` and `validation/dice.tumour`."""
SettingValue: TypeAlias = str | int | float | bool


class Ending(StrEnum):
    """How a run has come to its end, or to a pause."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Described:
    """What a run says of itself once.

    Attributes:
        project: under which a program lists it: the study's name.
        name: the split's, as `fold-0`.
        settings: the study's, each under its way through the study, as `training.batch_size`.
        digests: of the study, the cohort, the split's run and what preprocessing learned.
    """

    project: str
    name: str
    settings: Mapping[str, SettingValue]
    digests: Mapping[str, str]


class TrackedRun(Protocol):
    """One run as a program keeps it. Every method may raise whatever the program's library raises."""

    @property
    def id(self) -> str:
        """By which the program finds it again."""
        ...

    @property
    def last_step(self) -> int:
        """The last step of which it has values already, as far as the program can tell; 0 for none."""
        ...

    def add(self, step: int, scalars: Scalars) -> None:
        """Keep the values of a step, which is later than those before."""
        ...

    def conclude(self, step: int, scalars: Scalars) -> None:
        """Keep the scores of the chosen weights, after the last step."""
        ...

    def close(self, ending: Ending) -> None:
        """Send what is on its way, and say how it ended."""
        ...


class Tracker(Protocol):
    """A program that keeps runs, as it is set up on this machine by its own settings. It is made with the folder of the
    training, where it keeps its files unless those settings say otherwise."""

    def ready(self, project: str) -> None:
        """Make what several runs share, before the first of them. Raises whatever the program's library raises where
        its settings are wrong, or where it cannot be reached."""
        ...

    def open(self, described: Described, known: str | None) -> TrackedRun:
        """Begin a run, or go on with that of an id."""
        ...

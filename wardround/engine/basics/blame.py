"""Who answers for code that fails: an installed package by its name and release, or Wardround itself."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import NoReturn

from wardround.engine.basics.faults import disk_problem, memory_or_device_problem
from wardround.engine.basics.problems import InputError, Problem

_OURS = __name__.split(".")[0]


@dataclass(frozen=True)
class PartFault(Problem):
    """Code that can be exchanged has failed.

    Attributes:
        traceback: where it raised an error, for whoever mends it. It may name files, so it stays on this machine.
    """

    traceback: str = field(default="", compare=False)


class BreachError(Exception):
    """A part gave something that its kind may not give."""

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(f"got {got}, expected {expected}")
        self.got, self.expected = got, expected


@dataclass(frozen=True)
class Owner:
    """Whose code is at work.

    Attributes:
        what: in words, such as "the loss 'focal'".
        package: name and release of the installed package that it comes from; empty for Wardround's own.
        where: the key that names it.
        instead: what else a person can do.
    """

    what: str
    package: str = ""
    where: str = ""
    instead: str = ""

    def fault(self, error: BaseException) -> PartFault:
        """What to tell of an error of this code."""
        of = f"of the package {self.package}" if self.package else "of Wardround itself"
        if isinstance(error, BreachError):  # its traceback ends where that was noticed, and says nothing of the part
            what = f"{self.what}, {of}, does not give what it must"
            return PartFault(what, self.where, error.got, error.expected, self._remedy)
        lines = "".join(traceback.format_exception(error))
        said = " ".join(str(error).split())
        got = f"{type(error).__name__}: {said}" if said else type(error).__name__
        return PartFault(f"{self.what}, {of}, fails", self.where, got, "", self._remedy, lines)

    def blame(self, error: Exception) -> NoReturn:
        """Raise an `InputError` that names the package. Raises `error` itself where no package is at fault: it is
        Wardround's own code, a fault of the machine, or what a part says of the user's input."""
        if not self.package or not is_a_defect(error):
            raise error
        raise InputError([self.fault(error)]) from error

    @property
    def _remedy(self) -> str:
        if self.package:
            first = f"Tell the author of the package {self.package}, or install another release of it"
        else:
            first = "Change its parameters, or report it to Wardround's authors"
        return f"{first}; {self.instead}" if self.instead else first


def is_a_defect(error: BaseException) -> bool:
    """Whether an error is one of a program: neither what it says of an input, nor the machine's."""
    if isinstance(error, InputError) or memory_or_device_problem(error) is not None:
        return False
    return not isinstance(error, OSError) or disk_problem(error) is None


@contextmanager
def answering(owner: Owner) -> Iterator[None]:
    """While code of `owner` runs: what it raises is told of its package, as `Owner.blame` says."""
    try:
        yield
    except Exception as error:
        owner.blame(error)


def release_of(entry: EntryPoint) -> str:
    """`my-parts 0.3.1`: the package that an entry point comes from; empty where that is Wardround."""
    if entry.value.split(".")[0] == _OURS:
        return ""
    if entry.dist is None:
        return f"with the entry point {entry.name!r}"
    return f"{entry.dist.name} {entry.dist.version}"


def faults_of(error: BaseException) -> tuple[PartFault, ...]:
    """What an error tells of parts that fail."""
    problems = error.problems if isinstance(error, InputError) else ()
    return tuple(problem for problem in problems if isinstance(problem, PartFault))


def all_of_parts(error: BaseException) -> bool:
    """Whether an error tells of nothing but parts that fail."""
    faults = faults_of(error)
    return isinstance(error, InputError) and bool(faults) and len(faults) == len(error.problems)

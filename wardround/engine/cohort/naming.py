"""What files are called `<subject>_<input>`: which subject and which input each of them is.

Where one input's name ends in another's (`T1`, `gd_T1`), a name can be read in two ways: `x_gd_T1` is the input `gd_T1`
of the subject `x`, or the input `T1` of the subject `x_gd`. The other files decide: a subject needs one file for every
input, and every file belongs to one subject.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEPARATORS = "_-. "
"""What may stand between a subject and an input's name; before an input's number only the first."""


@dataclass(frozen=True)
class Reading:
    """One way to read a file's name: the subject, and the place of the input among the study's."""

    subject: str
    input: int


Readings = Mapping[Path, tuple[Reading, ...]]


def readings_of(stem: str, inputs: Sequence[str]) -> tuple[Reading, ...]:
    """Every way to read a name without its ending, the one with the longest input first; empty if there is none.

    An input is told by its name, in capital or small letters where that leaves no doubt, or by its number in four
    digits. A name goes before a number.
    """
    named = sorted(_by_name(stem, inputs), key=lambda found: len(found[0].subject))
    exact = {reading.subject for reading, is_exact in named if is_exact}
    kept = [reading for reading, is_exact in named if is_exact or reading.subject not in exact]
    return tuple(dict.fromkeys(kept)) or tuple(_by_number(stem, inputs))


def _by_name(stem: str, inputs: Sequence[str]) -> Iterator[tuple[Reading, bool]]:
    for index, name in enumerate(inputs):
        subject, ending = stem[: -len(name) - 1], stem[-len(name) :]
        if subject and ending.lower() == name.lower() and stem[len(subject)] in SEPARATORS:
            yield Reading(subject, index), ending == name


def _by_number(stem: str, inputs: Sequence[str]) -> Iterator[Reading]:
    for index in range(len(inputs)):
        ending = f"_{index:04d}"
        if stem.endswith(ending) and stem != ending:
            yield Reading(stem.removesuffix(ending), index)


def settled(readings: Readings, inputs: int) -> dict[Path, tuple[Reading, ...]]:
    """The readings that are left when the files are looked at together: one for each file, unless they leave it open.

    Where none of a file's readings gives a subject with all its inputs, it keeps those that lack the fewest.
    """
    choice = _Choice(readings, inputs)
    while choice.narrow():
        pass
    return {path: choice.of(path, ways) for path, ways in readings.items()}


class _Choice:
    """Readings that are narrowed down until nothing follows any more."""

    def __init__(self, readings: Readings, inputs: int) -> None:
        self._inputs = range(inputs)
        self.left = dict(readings)
        self._open = {path for path, ways in readings.items() if len(ways) > 1}
        self._files: dict[Reading, set[Path]] = defaultdict(set)
        for path, ways in readings.items():
            for way in ways:
                self._files[way].add(path)

    def narrow(self) -> bool:
        """Draw every conclusion of one kind or the other; whether there was one."""
        return self._drop_what_cannot_be() or self._take_what_must_be()

    def of(self, path: Path, ways: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """What is left of a file's readings, or those of all its `ways` that lack the fewest inputs."""
        left = self.left[path]
        if len(ways) < 2 or any(self._is_whole(way.subject) for way in left):
            return left
        lacking = [self._lacking(way) for way in ways]
        return tuple(way for way, count in zip(ways, lacking, strict=True) if count == min(lacking))

    def _drop_what_cannot_be(self) -> bool:
        """A reading whose subject lacks an input, while another reading of the file has all."""
        changed = False
        for path in sorted(self._open):
            possible = tuple(way for way in self.left[path] if self._is_whole(way.subject))
            if possible and possible != self.left[path]:
                self._keep(path, possible)
                changed = True
        return changed

    def _take_what_must_be(self) -> bool:
        """An input of a subject that is sure to be one, where a single file can be it."""
        sure = {ways[0].subject for ways in self.left.values() if len(ways) == 1} if self._open else set()
        for subject in sorted(filter(self._is_whole, sure)):
            for way in (Reading(subject, index) for index in self._inputs):
                files = self._files[way]
                if len(files) == 1 and (path := next(iter(files))) in self._open:
                    self._keep(path, (way,))
                    return True
        return False

    def _is_whole(self, subject: str) -> bool:
        return all(self._files[Reading(subject, index)] for index in self._inputs)

    def _lacking(self, way: Reading) -> int:
        """How many inputs the subject of a reading has no file for, beside the one that is read so."""
        others = (Reading(way.subject, index) for index in self._inputs if index != way.input)
        return sum(not self._files[other] for other in others)

    def _keep(self, path: Path, ways: tuple[Reading, ...]) -> None:
        for way in {*self.left[path]} - {*ways}:
            self._files[way].discard(path)
        self.left[path] = ways
        if len(ways) == 1:
            self._open.discard(path)

"""`labels` of a `dataset.json`: by name with values (nnU-Net's second version), or by value with names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardround.engine.interop.notebook import Notebook, shown
from wardround.engine.study.labels import LARGEST_VALUE

IGNORE = "ignore"
_BACKGROUND = (0,)
_Named = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Labels:
    """What the values of masks stand for.

    Attributes:
        structures: values by name, in the order of the file; several where structures overlap.
        ignored: the value of voxels that do not count; None where all do.
    """

    structures: Mapping[str, tuple[int, ...]]
    ignored: int | None = None

    @property
    def has_regions(self) -> bool:
        """Whether structures may overlap."""
        return any(len(values) > 1 for values in self.structures.values())


def read_labels(found: Any, notes: Notebook) -> Labels:
    """Structures without the background and what is ignored; all that is wrong is noted."""
    if not isinstance(found, dict) or not found:
        notes.tell("labels", "the labels are missing", shown(found), '{"background": 0, "tumour": 1}')
        return Labels({})
    read = [*_pairs(found, notes)]
    ignored = [values for name, values in read if name.lower() == IGNORE]
    structures = [(name, values) for name, values in read if values != _BACKGROUND and name.lower() != IGNORE]
    _require_background(found, read, notes)
    _require_one_ignored(ignored, structures, notes)
    _require_structures(found, structures, notes)
    return Labels(_named(structures, notes), ignored[0][0] if ignored else None)


def _named(structures: Sequence[_Named], notes: Notebook) -> dict[str, tuple[int, ...]]:
    """Values by names that a study can have."""
    found: dict[str, tuple[int, ...]] = {}
    for written, values in structures:
        name = notes.name("labels", written)
        if name and name in found:
            notes.tell("labels", f"two labels have the same name {name!r}", name, "a name of its own for each")
        found[name] = values
    return found


def _pairs(found: Mapping[str, Any], notes: Notebook) -> Iterator[_Named]:
    """Name and values, whichever of the two is the key."""
    for key, value in found.items():
        name, written = (value, key) if isinstance(value, str) else (key, value)
        values = _values(written, is_key=isinstance(value, str))
        if values:
            yield name, values
        else:
            expected = f"a whole number from 0 to {LARGEST_VALUE:,}, or a list of such"
            notes.tell(f"labels.{key}", "this is no label", shown(value), expected)


def _values(written: Any, *, is_key: bool) -> tuple[int, ...]:
    """The values of a label; none where it has others than whole numbers that a mask can hold."""
    if is_key:
        written = int(written) if written.isascii() and written.isdigit() and len(written) < len("100000") else None
    listed = written if isinstance(written, list) else [written]
    fits = all(type(each) is int and 0 <= each <= LARGEST_VALUE for each in listed)
    return tuple(dict.fromkeys(listed)) if fits else ()


def _require_background(found: Mapping[str, Any], read: Sequence[_Named], notes: Notebook) -> None:
    if all(values != _BACKGROUND for _, values in read):
        expected, remedy = "0, which is the background", "Add `background` with 0"
        notes.tell("labels", "no label is the background", shown(found), expected, remedy)


def _require_one_ignored(ignored: Sequence[tuple[int, ...]], structures: Sequence[_Named], notes: Notebook) -> None:
    if len(ignored) > 1 or any(len(values) > 1 for values in ignored):
        notes.tell(f"labels.{IGNORE}", "one value alone is ignored", shown(ignored), "a number")
    learnt = {each for _, values in structures for each in values}
    both = sorted(learnt & {value for values in ignored for value in values})
    if both:
        what, got = "what is ignored is a structure too", ", ".join(map(str, both))
        notes.tell(f"labels.{IGNORE}", what, got, "a value of its own")


def _require_structures(found: Mapping[str, Any], structures: Sequence[_Named], notes: Notebook) -> None:
    if not structures:
        notes.tell("labels", "there is nothing but background", shown(found), "a structure")
    first: dict[frozenset[int], str] = {}
    for name, values in structures:
        if 0 in values:
            what, remedy = "the background is no part of a structure", "Take the 0 out"
            notes.tell(f"labels.{name}", what, shown(list(values)), "1 or more", remedy)
        same = first.setdefault(frozenset(values), name)
        if same != name:
            what = f"two labels have the same value: {same!r} and {name!r}"
            notes.tell(f"labels.{name}", what, shown(list(values)), "values of its own for each")

"""What can be done about values of masks that no class of the study names, without giving a structure a wrong class.

What looks like a missing value in a list is often another mistake: masks whose program counts the background too, greys
that stand for classes, black and white, or an image. An advice that only silences the error would train on it.
"""

from __future__ import annotations

from collections.abc import Collection

from wardround.engine.study import Study
from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import BACKGROUND, LARGEST_VALUE
from wardround.engine.study.regions import in_order

SHOWN_VALUES = 8
"""Of more values that no class names nobody wants to make classes."""
MANY = 50
"""So many values are those of an image rather than of a mask."""
_WHITE = frozenset({255, 65535})
_AS_BACKGROUND = "write `rest: background` in the study, if they are to count as background"
_AS_SLIP = "correct the mask, if they are a slip"


def has_no_background(found: Collection[int]) -> bool:
    """Whether no voxel of a mask with these values is background, as if its program counted that from 1."""
    return len(found) <= MANY and min(found, default=0) > 0


def ways_out(study: Study, found: Collection[int]) -> str:
    """What to do about masks that have all these values, some of which no class names."""
    named = {value for values in study.values_by_class.values() for value in values} | {*study.ignored_values}
    unnamed = sorted({*found} - named)
    if len(unnamed) > MANY:
        return "Is this file the mask, and not an image? Name the mask's file in the column Label"
    if has_no_background(found):
        return _background(study, found, named)
    if len(unnamed) > SHOWN_VALUES:
        return (
            "Export the mask again from the program in which it was drawn, without blurred edges and with one number "
            f"for each class; or {_AS_BACKGROUND}"
        )
    # The values of regions overlap: to take them for classes under other numbers says nothing.
    other_numbers = "" if study.regions else _other_numbers(study, {*found} - {0})
    return other_numbers or _of_few(study, unnamed)


def _background(study: Study, found: Collection[int], named: Collection[int]) -> str:
    least = min(found)
    fits = {value - least for value in found} <= {*named}
    seems = f"Each value is {least} too high, if {least} is" if fits else f"Is {least}"
    then = ": then" if fits else "? Then"
    return (
        f"{seems} the background there, as in programs that count from {least}{then} subtract {least} from every "
        "voxel, or export the masks again with 0 for the background, and list nothing in the study. Only if every "
        "voxel does belong to a structure, name the class of each value in the study"
    )


def _other_numbers(study: Study, found: Collection[int]) -> str:
    """What to do where the masks seem to have the study's classes under other numbers; empty where they do not."""
    names, own = study.class_names[1:], _own_numbers(study)
    if len(names) > 1 and {*found} <= _WHITE:
        return (
            f"{next(iter(found))} is white: a mask in black and white does not tell {_all_of(names)} apart. Export it "
            f"again with {own}. Only if all of it is one class, list the value there"
        )
    if len(names) < 2 or len(found) != len(names) or min(found) < 0 or max(found) > LARGEST_VALUE:
        return ""
    numbers = dict(zip(names, sorted(found), strict=True))
    if any(value in study.values_by_class[name] for name, value in numbers.items()):
        return ""
    which = ", ".join(f"{value} is {name}" for name, value in numbers.items())
    return (
        f"The masks have as many values as the study has classes. If {which}, and in all masks, write "
        f"`classes: {flow(numbers)}` in the study; otherwise export the masks again with {own}"
    )


def _own_numbers(study: Study) -> str:
    return _all_of([f"{values[0]} for {name}" for name, values in [*study.values_by_class.items()][1:]])


def _all_of(words: Collection[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _of_few(study: Study, unnamed: Collection[int]) -> str:
    usable = [value for value in unnamed if 0 <= value <= LARGEST_VALUE]
    if not usable:
        return f"{_AS_BACKGROUND[0].upper()}{_AS_BACKGROUND[1:]}, or {_AS_SLIP}"
    word, named = ("region", in_order(study.regions)) if study.regions else ("class", study.values_by_class)
    name = next(name for name in named if name != BACKGROUND)
    example = f"`{name}: [{', '.join(map(str, (*named[name], usable[0])))}]`"
    return (
        f"If they are parts of a {word}, list them there, such as {example} for parts of {name}; or {_AS_BACKGROUND}, "
        f"or {_AS_SLIP}"
    )

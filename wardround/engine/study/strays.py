"""Keys that stand in the wrong section or the wrong file: where each belongs, and nothing that follows from it.

A key that is moved takes what is missing elsewhere with it: who wrote `rounds` at the top need not hear that `horizon`
is missing. So the document is looked at again with each such key in its place.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, JsonValue

from wardround.engine.parts import STUDY_KINDS, Kind, Part, builtin_and_plugins
from wardround.engine.study.expectations import Location, flow, homes_of, place_in
from wardround.engine.study.located_problems import MISSING, UNKNOWN_KEY, Flaw
from wardround.engine.study.other_files import file_with, homes_elsewhere
from wardround.engine.study.remedies import is_nearly

_MOST_HOMES = 3
_LONGEST = 72
_STUDY = "study.yaml"
_PLACES: Mapping[Kind, Location] = {
    Kind.NETWORK: ("model",),
    Kind.LOSS: ("training", "loss"),
    Kind.OPTIMIZER: ("training", "optimizer"),
    Kind.SCHEDULE: ("training", "schedule"),
    Kind.PREPROCESSING: ("preprocessing",),
    Kind.AUGMENTATION: ("augmentation",),
    Kind.METRIC: ("validation", "metrics"),
    Kind.POSTPROCESSING: ("inference", "postprocessing"),
    Kind.TASK: ("task",),
}
"""Where the parts of each kind stand in a study."""
_USUAL: Mapping[str, tuple[str, ...]] = {
    "name": ("federation", "study"),
    "lr": ("learning_rate",),
    "wd": ("weight_decay",),
    "patch_size": ("size",),
    "crop_size": ("size",),
}
"""What other programs call a key, and what it is called here."""
_TRAINED = "; in a federation `horizon` says how long is trained"


@dataclass(frozen=True)
class Written:
    """A document as it was written.

    Attributes:
        model: what it should be.
        content: its values.
        keys: a validator's location as keys of the document alone.
        line: of a location, 0 for none.
        flaws_in: what is wrong with other values in its place.
    """

    model: type[BaseModel]
    content: JsonValue
    keys: Callable[[Location], Location]
    line: Callable[[Location], int]
    flaws_in: Callable[[JsonValue], list[Flaw]]


@dataclass(frozen=True)
class _Stray:
    """An unknown key and where it belongs.

    Attributes:
        flaw: that it is unknown.
        at: where it stands, as keys of the document.
        home: the section to which it can be moved; None for none.
        remedy: what to do; empty where nothing is known of it.
    """

    flaw: Flaw
    at: Location
    home: Location | None = None
    remedy: str = ""


def with_strays(flaws: list[Flaw], written: Written) -> list[Flaw]:
    """The flaws of a document, with the home of each stray key and without what follows from its absence there."""
    unknown = [flaw for flaw in flaws if _is_unknown(flaw)]
    if not unknown:
        return flaws
    strays = [_stray(flaw, written, unknown) for flaw in unknown]
    after = [flaw for flaw in written.flaws_in(_moved(written.content, strays)) if not _is_unknown(flaw)]
    still = {written.keys(flaw.location) for flaw in after}
    others = [
        flaw
        for flaw in flaws
        if not _is_unknown(flaw) and (flaw.what != MISSING or written.keys(flaw.location) in still)
    ]
    return [*_gathered(strays, written), *others, *_fresh(after, others, strays, written)]


def _is_unknown(flaw: Flaw) -> bool:
    return flaw.what.startswith(UNKNOWN_KEY)


def _fresh(after: list[Flaw], others: list[Flaw], strays: list[_Stray], written: Written) -> list[Flaw]:
    """What is wrong once the stray keys are in their homes and was not told before.

    Where other values are wrong that may follow from them, unless it is about the stray keys themselves.
    """
    places = {(*stray.home, stray.flaw.word): stray.at for stray in strays if stray.home is not None}
    told = {(written.keys(flaw.location), flaw.what) for flaw in others}
    found = [_back(flaw, places) for flaw in after if not others or _is_moved(flaw, places)]
    return [flaw for flaw in found if (written.keys(flaw.location), flaw.what) not in told]


def _stray(flaw: Flaw, written: Written, unknown: Iterable[Flaw]) -> _Stray:
    stray = _Stray(flaw, written.keys(flaw.location))
    if homes := _homes(stray, written):
        return _in_sections(stray, homes, written)
    here, owners = file_with(place_in(written.model, ()).keys), _owners(flaw.word)
    if here == _STUDY and owners:
        beside = _beside(stray, unknown, written)
        return replace(stray, remedy=_of_parts(stray, owners, beside, written))
    usual = [name for name in _USUAL.get(flaw.word, ()) if name in flaw.known]
    if usual or _is_near_here(flaw):
        return replace(stray, remedy=f"Did you mean {usual[0]!r}?" if usual else "")
    remedy = _in_files(flaw.word, here, owners) or _misspelt(flaw, written, is_study=here == _STUDY)
    return replace(stray, remedy=remedy)


def _homes(stray: _Stray, written: Written) -> list[str]:
    """The other sections of the same file that have the key."""
    section = ".".join(str(step) for step in stray.at[:-1])
    return [home for home in homes_of(written.model, stray.flaw.word) if home != section]


def _beside(stray: _Stray, unknown: Iterable[Flaw], written: Written) -> list[str]:
    """The unknown keys of the same section."""
    return [flaw.word for flaw in unknown if written.keys(flaw.location)[:-1] == stray.at[:-1]]


def _is_near_here(flaw: Flaw) -> bool:
    return any(is_nearly(flaw.word, name) for name in flaw.known)


def _in_files(word: str, here: str, owners: list[Part]) -> str:
    """What to do with a key of another file; empty if it is of none."""
    files = homes_elsewhere(word, here) or (homes_elsewhere("model", here) if owners else ())
    if not files:
        return ""
    instead = _TRAINED if here == "federation.yaml" and word in ("epochs", "steps") else ""
    return f"`{word}` belongs to {', or to '.join(files[:_MOST_HOMES])}; take it out here{instead}"


def _owners(key: str) -> list[Part]:
    return [part for part in builtin_and_plugins().parts(*STUDY_KINDS) if key in part.parameters.model_fields]


def _misspelt(flaw: Flaw, written: Written, *, is_study: bool) -> str:
    """The key of another section, or of a part, that is written nearly so; empty for none. Parts that a study uses come
    first."""
    usual = _USUAL.get(flaw.word, ())
    sections = [(f"`{section}`", key) for section, key in _keys_of_sections(written.model)]
    found = sorted(_parameters(), key=lambda each: not _used(each[0], written.content)) if is_study else []
    parts = [(f"the {part.kind} `{part.name}`", key) for part, key in found]
    for fits in (usual.__contains__, lambda key: is_nearly(flaw.word, key)):
        for home, key in (*sections, *parts):
            if fits(key):
                return f"Did you mean `{key}`? It belongs to {home}"
    return ""


def _keys_of_sections(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for section in place_in(model, ()).keys:
        for key in place_in(model, (section,)).keys:
            yield section, key


def _parameters() -> Iterator[tuple[Part, str]]:
    for part in builtin_and_plugins().parts(*STUDY_KINDS):
        for key in part.parameters.model_fields:
            yield part, key


def _in_sections(stray: _Stray, homes: list[str], written: Written) -> _Stray:
    word, first = stray.flaw.word, _steps(homes[0])
    if _has(written.content, (*first, word)):
        return replace(stray, remedy=_twice(word, _name(homes[0]), written.line((*first, word))))
    shown = ", or to ".join(_name(home) for home in homes[:_MOST_HOMES])
    there = "there" if len(homes) == 1 else "where it is meant"
    return replace(stray, home=first, remedy=f"`{word}` belongs to {shown}; move it {there}")


def _twice(word: str, home: str, line: int) -> str:
    on = f" on line {line}" if line else ""
    return f"`{word}` belongs to {home}, which has it already{on}; take it out here, and correct it there if need be"


def _of_parts(stray: _Stray, owners: list[Part], beside: list[str], written: Written) -> str:
    """What to do with a parameter of a part: move it there, if the study uses the part."""
    own = next((kind for kind, place in _PLACES.items() if stray.at[: len(place)] == place), None)
    others = [part for part in owners if part.kind is not own]
    if not others:
        shown = " or ".join(f"`{part.name}`" for part in owners[:_MOST_HOMES])
        told = f"`{stray.flaw.word}` belongs to the {own} {shown}; take it out, or use that {own}"
        return "" if _is_near_here(stray.flaw) else told
    used = next((part for part in others if _used(part, written.content)), None)
    if used is not None:
        return _of_used(stray, used, beside, written)
    if _is_near_here(stray.flaw):
        return ""
    shown = " or ".join(f"the {part.kind} `{part.name}`" for part in others[:_MOST_HOMES])
    return f"`{stray.flaw.word}` belongs to {shown}; move it there"


def _of_used(stray: _Stray, part: Part, beside: list[str], written: Written) -> str:
    """What to do with a parameter of the part that a study uses: how it is written with all that stands beside it."""
    word, home, place = stray.flaw.word, f"the {part.kind} `{part.name}`", _PLACES[part.kind]
    used = _used(part, written.content)
    if word in used:
        return _twice(word, home, written.line((*place, word)))
    own = [key for key in beside if key in part.parameters.model_fields]
    line = f"{place[-1]}: {flow({**used, **{key: value_at(written.content, (*stray.at[:-1], key)) for key in own}})}"
    return f"`{word}` belongs to {home}{f': write `{line}`' if len(line) <= _LONGEST else '; move it there'}"


def _used(part: Part, content: JsonValue) -> dict[str, Any]:
    """A part with its parameters as a study has them; empty if the study has another, or several of its kind."""
    used = value_at(content, _PLACES[part.kind])
    if isinstance(used, str):
        used = {"name": used}
    return used if isinstance(used, dict) and used.get("name") == part.name else {}


def _gathered(strays: list[_Stray], written: Written) -> Iterable[Flaw]:
    """One flaw for all keys of a section that belong to one other section."""
    together: dict[Any, list[_Stray]] = {}
    for number, stray in enumerate(strays):
        group = (stray.at[:-1], stray.home, _tail(stray)) if stray.home is not None else number
        together.setdefault(group, []).append(stray)
    return [_one(group, written) for group in together.values()]


def _tail(stray: _Stray) -> str:
    return stray.remedy.partition(" belongs to ")[2]


def _one(group: list[_Stray], written: Written) -> Flaw:
    first, words = group[0], [stray.flaw.word for stray in group]
    if not first.remedy:
        return first.flaw
    flaw = replace(first.flaw, expected="a key that is known here", remedy=first.remedy)
    if len(group) > 1:
        listed = f"{', '.join(map(repr, words[:-1]))} and {words[-1]!r}"
        lines = ", ".join(f"`{stray.flaw.word}` on line {written.line(stray.at)}" for stray in group)
        remedy = f"They belong to {_tail(first)}".replace("; move it", "; move them")
        got = lines if written.line(first.at) else ", ".join(f"`{word}`" for word in words)
        flaw = replace(
            flaw, what=f"{UNKNOWN_KEY}s {listed}", got=got, expected="keys that are known here", remedy=remedy
        )
    return replace(flaw, remedy=_with_line(flaw.remedy, group, written))


def _with_line(remedy: str, group: list[_Stray], written: Written) -> str:
    """The remedy with the whole section, where the document has none yet and it is short."""
    home = group[0].home
    if not home or len(home) > 1 or _has(written.content, home) or not remedy.endswith(" there"):
        return remedy
    line = f"{home[0]}: {flow({stray.flaw.word: value_at(written.content, stray.at) for stray in group})}"
    return f"{remedy}: `{line}`" if len(line) <= _LONGEST else remedy


def _moved(content: Any, strays: Iterable[_Stray]) -> Any:
    """The content with each stray key in its home, and without those that have none."""
    whole = copy.deepcopy(content)
    for stray in strays:
        parent = value_at(whole, stray.at[:-1])
        if not isinstance(parent, dict) or stray.at[-1] not in parent:
            continue
        value = parent.pop(str(stray.at[-1]))
        if stray.home is None:
            continue
        section: Any = whole
        for step in stray.home:
            section = section.setdefault(step, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.setdefault(stray.flaw.word, value)
    return whole


def _is_moved(flaw: Flaw, places: Mapping[Location, Location]) -> bool:
    parents = {home[:-1] for home in places}
    is_beside = flaw.what == MISSING and flaw.location[:-1] in parents
    return is_beside or any(flaw.location[: len(home)] == home for home in places)


def _back(flaw: Flaw, places: Mapping[Location, Location]) -> Flaw:
    """A flaw of a key that was moved, at the place where it stands; or of one that is missing beside it there."""
    for home, at in places.items():
        if flaw.what == MISSING and flaw.location[:-1] == home[:-1] != ():
            return replace(flaw, location=at, what=f"{MISSING} in `{'.'.join(map(str, home[:-1]))}`")
        if flaw.location[: len(home)] == home:
            return replace(flaw, location=(*at, *flaw.location[len(home) :]))
    return flaw


def _steps(home: str) -> Location:
    return tuple(home.split(".")) if home else ()


def _name(home: str) -> str:
    return f"`{home}`" if home else "the top of the file"


def value_at(content: Any, at: Location) -> Any:
    """What stands in a place of a document; None for nothing."""
    for step in at:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _has(content: Any, at: Location) -> bool:
    parent = value_at(content, at[:-1])
    return isinstance(parent, Mapping) and at[-1] in parent

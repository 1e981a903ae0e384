"""Decimal commas within brackets, where YAML takes them for the ends of entries: `{rate: 0,003}`, `[1,5, 2,0]`.

Within braces such a comma leaves a key without a value, which no settings file has, so it is put back together before
the file is read. A list of numbers may be what it looks like; so what else it may mean is only kept for the case that
it does not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from wardround.engine.study.expectations import Location

_SUSPECT = re.compile(r"\d, ?\d")
_NUMBER = re.compile(r"[+-]?\d[\d.]*")
_DECIMALS = re.compile(r"\d+(?:(?:[eE][+-]?\d+)?\s*(?:%|[^\W\d_]{0,8})|(?:\s+\d+)+)")
_TIGHT = re.compile(r", ?")
_MOST_ITEMS = 8


@dataclass(frozen=True)
class Halved:
    """A number that stands within braces with a comma in it: from which to which character, and its place."""

    location: Location
    start: int
    end: int


@dataclass(frozen=True)
class Listed:
    """A list of numbers that may have decimal commas: as it is written, and each other way to read it."""

    text: str
    readings: tuple[tuple[str, ...], ...]


def mended(text: str) -> tuple[str, dict[Location, str]]:
    """The text with each number that a comma has cut in two as one text, and what these are, by their places."""
    halves = [each for node in _composed(text) for each in _halved(node, (), text)]
    found = {each.location: text[each.start : each.end] for each in halves}
    for each in sorted(halves, key=lambda each: -each.start):
        text = text[: each.start] + json.dumps(text[each.start : each.end], ensure_ascii=False) + text[each.end :]
    return text, found


def lists_of(text: str) -> dict[Location, Listed]:
    """The lists of numbers within brackets that may have decimal commas, by their places."""
    return {location: listed for node in _composed(text) for location, listed in _listed(node, (), text)}


def _composed(text: str) -> Iterator[Any]:
    """The parsed text, if there can be such a comma in it; what is no YAML is told by whoever reads it."""
    if not _SUSPECT.search(text):
        return
    try:
        root = YAML(typ="rt").compose(text)
    except (YAMLError, ValueError, RecursionError):
        return
    if root is not None:
        yield root


def _children(node: Any, here: Location) -> Iterator[tuple[Location, Any]]:
    if isinstance(node, MappingNode):
        yield from (((*here, key.value), value) for key, value in node.value if isinstance(key, ScalarNode))
    elif isinstance(node, SequenceNode):
        yield from (((*here, index), value) for index, value in enumerate(node.value))


def _halved(node: Any, here: Location, text: str) -> Iterator[Halved]:
    if node.anchor is not None:  # it may stand in several places, and may hold itself
        return
    if isinstance(node, MappingNode) and node.flow_style:
        yield from _halved_values(node.value, here, text)
    for location, child in _children(node, here):
        yield from _halved(child, location, text)


def _halved_values(pairs: Sequence[tuple[Any, Any]], here: Location, text: str) -> Iterator[Halved]:
    for number, (key, value) in enumerate(pairs):
        if not (_is_plain(value) and _NUMBER.fullmatch(value.value)):
            continue
        end = value.end_mark.index
        for after, nothing in pairs[number + 1 :]:
            if not _goes_on(text, end, after, nothing):
                break
            end = after.end_mark.index
        if end > value.end_mark.index:
            yield Halved((*here, key.value), value.start_mark.index, end)


def _goes_on(text: str, end: int, key: Any, value: Any) -> bool:
    """Whether a key is what stands behind the decimal comma of the value that ended there."""
    is_alone = _is_plain(key) and isinstance(value, ScalarNode) and not value.value and value.style is None
    is_close = is_alone and _TIGHT.fullmatch(text[end : key.start_mark.index])
    return bool(is_close and _DECIMALS.fullmatch(key.value))


def _is_plain(node: Any) -> bool:
    return isinstance(node, ScalarNode) and node.style is None


def _listed(node: Any, here: Location, text: str) -> Iterator[tuple[Location, Listed]]:
    if node.anchor is not None:
        return
    if isinstance(node, SequenceNode) and node.flow_style and 1 < len(node.value) <= 2 * _MOST_ITEMS:
        readings = tuple(_readings(node.value, text))
        if readings:
            yield here, Listed(text[node.start_mark.index : node.end_mark.index], readings)
    for location, child in _children(node, here):
        yield from _listed(child, location, text)


def _readings(items: Sequence[Any], text: str) -> Iterator[tuple[str, ...]]:
    """The other ways to read a list: where some commas have a blank behind them and others none, those without."""
    if not all(_is_plain(item) and _NUMBER.fullmatch(item.value) for item in items):
        return
    runs = _runs(items, text)
    if len(runs) == 1:
        yield from (way for way in _pairings(runs[0]) if len(way) < len(items) <= _MOST_ITEMS)
    elif max(map(len, runs)) == 2:
        yield tuple(".".join(run) for run in runs)


def _runs(items: Sequence[Any], text: str) -> list[list[str]]:
    """The items of a list, those together between which there is a comma and no blank."""
    runs: list[list[str]] = [[items[0].value]]
    for before, item in pairwise(items):
        if text[before.end_mark.index : item.start_mark.index] == ",":
            runs[-1].append(item.value)
        else:
            runs.append([item.value])
    return runs


def _pairings(items: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every way to join neighbours to decimal numbers, the ones with most of them first."""
    if not items:
        yield ()
        return
    if len(items) > 1 and "." not in items[0] and items[1].isdigit():
        yield from ((f"{items[0]}.{items[1]}", *rest) for rest in _pairings(items[2:]))
    yield from ((items[0], *rest) for rest in _pairings(items[1:]))

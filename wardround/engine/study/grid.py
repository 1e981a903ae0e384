"""Studies that differ in a few settings, each a file of its own that a person can read: a grid over settings.

A setting is a path of keys, as problems name it (`training.optimizer.learning_rate`, `augmentation.noise.probability`),
and the values that it takes. What the study's file says otherwise stays, comments included.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.study.documents import Document, parse_document, read_document, require_kind, validate_document
from wardround.engine.study.located_problems import written
from wardround.engine.study.models import Study
from wardround.engine.study.part_names import PartUse

MOST = 200
"""Studies of one grid: more is a search, which a table does not hold in view."""
INDEX = "index.csv"
_LONGEST_NAME = 80
_LONGEST_STUDY = 64


@dataclass(frozen=True)
class Axis:
    """A setting and its values, plain or lists."""

    keys: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def path(self) -> str:
        """As problems name it."""
        return ".".join(self.keys)


@dataclass(frozen=True)
class Variant:
    """One study of a grid.

    Attributes:
        name: of its file.
        settings: what each axis has, in words, by its path.
        text: the file.
        study: what it loads as.
    """

    name: str
    settings: Mapping[str, str]
    text: str
    study: Study


def axis_of(word: str) -> Axis:
    """The axis of `key.key=value,value`. Raises `InputError` for what is none."""
    keys, sign, values = word.partition("=")
    steps = tuple(keys.strip().split("."))
    found = _values(values) if sign else None
    if not all(steps) or not found:
        raise InputError.one(
            "this is no setting with its values",
            where="--set",
            got=repr(word),
            expected="keys with dots, and values with commas",
            remedy="Write for example `--set training.optimizer.learning_rate=1e-3,1e-4`, and lists in square brackets",
        )
    twice = [_shown(each) for place, each in enumerate(found) if each in found[:place]]
    if twice:
        raise InputError.one(
            "a value stands twice",
            where=f"--set {keys}",
            got=twice[0],
            expected="each value once",
            remedy="Take it out",
        )
    return Axis(steps, tuple(found))


def _values(text: str) -> list[Any] | None:
    """The values between commas, each as in a YAML file; None where they are not."""
    try:
        found = YAML(typ="rt").load(f"[{text}]")
    except (YAMLError, ValueError):
        return None
    is_list = isinstance(found, CommentedSeq) and not any(each is None or each == "" for each in found)
    return list(found) if is_list else None


def axes_of(words: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of a grid. Raises `InputError` with all that is wrong with them."""
    findings, axes = Findings(), list[Axis]()
    for word in words:
        with findings.gather():
            axes.append(axis_of(word))
    paths = [axis.path for axis in axes]
    for path in dict.fromkeys(path for path in paths if paths.count(path) > 1):
        findings.add("a setting stands twice", where=f"--set {path}", remedy="Write all of its values behind one --set")
    findings.raise_if_any()
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST:
        times = " x ".join(str(len(axis.values)) for axis in axes)
        raise InputError.one(
            "that is a grid of too many studies",
            where="--set",
            got=f"{times} = {count:,}",
            expected=f"at most {MOST}",
            remedy="Name fewer values, or vary one setting after the other",
        )
    return tuple(axes)


def grid_of(path: Path, axes: Sequence[Axis]) -> tuple[Variant, ...]:
    """A study for each combination of values, in their order.

    Raises `InputError` with every problem of the study's own file; or of any combination, each problem once, with those
    that have it.
    """
    document = read_document(path, "study")
    require_kind(Study, document, "study")
    base = validate_document(Study, document, strict=True)
    combinations = [*itertools.product(*(axis.values for axis in axes))]
    problems: dict[Problem, list[str]] = defaultdict(list)
    variants = []
    for number, values in enumerate(combinations, start=1):
        settings = {axis.path: _shown(value) for axis, value in zip(axes, values, strict=True)}
        try:
            text, study = _varied(document, base, number, [*zip(axes, values, strict=True)])
        except InputError as error:
            for problem in error.problems:
                problems[problem].append(_told(settings))
            continue
        name = f"{number:03d}-{_slug(settings)}.yaml"
        heading = (
            f"# Study {number} of {len(combinations)} that `wardround grid` made of {path.name}: {_told(settings)}"
        )
        variants.append(Variant(name, settings, f"{heading}\n{text}", study))
    if problems:
        raise InputError(_placed(problem, where, len(combinations)) for problem, where in problems.items())
    return tuple(variants)


def _placed(problem: Problem, where: Sequence[str], count: int) -> Problem:
    """A problem with the combination that has it, unless all have it."""
    if len(where) == count:
        return problem
    more = f" and {len(where) - 1} more of {count} combinations" if len(where) > 1 else ""
    return replace(problem, where=f"{problem.where} with {where[0]}{more}")


def _varied(document: Document, base: Study, number: int, settings: Sequence[tuple[Axis, Any]]) -> tuple[str, Study]:
    """The file with other values, and its study. Raises `InputError`."""
    writer = YAML(typ="rt")
    writer.width, writer.preserve_quotes = 4096, True
    writer.indent(mapping=2, sequence=4, offset=2)
    content = writer.load(document.text)
    findings = Findings()
    for axis, value in settings:
        with findings.gather():
            _set(content, axis, value, base)
    findings.raise_if_any()
    if all(axis.keys != ("study",) for axis, _ in settings):
        content["study"] = f"{base.study[: _LONGEST_STUDY - 4]}-{number:03d}"
    text = io.StringIO()
    writer.dump(content, text)
    found = parse_document(text.getvalue(), document.path)
    return text.getvalue(), validate_document(Study, found, strict=True)


def _set(content: CommentedMap, axis: Axis, value: Any, base: Study) -> None:
    """Write a value in its place; keys that are not there are made, which the study's own check judges."""
    node: Any = content
    for depth in range(1, len(axis.keys)):
        node = _below(node, axis, depth, base)
    key = axis.keys[-1]
    place = _place(node, key, axis)
    if isinstance(node, CommentedSeq) and not key.isdigit():
        node[place] = _with_value(node[place], key, value, axis)
    else:
        node[place] = value


def _with_value(item: Any, name: str, value: Any, axis: Axis) -> CommentedMap:
    """A part of a list with the one value that it takes: `orient: RAS`."""
    if isinstance(item, CommentedMap) and "name" in item:
        raise _no_place(axis, f"a part {name} with parameters", "Name one of them behind it")
    return CommentedMap({name: value})


def _below(node: Any, axis: Axis, depth: int, base: Study) -> Any:
    """What stands under one of the keys, as a mapping or a list that can be written into."""
    place, is_list = _place(node, axis.keys[depth - 1], axis), isinstance(node, CommentedSeq)
    default = _default(base, axis.keys[:depth])
    found = node[place] if is_list else node.get(place)
    if is_list or isinstance(default, PartUse):
        found = node[place] = _as_part(found or getattr(default, "name", None))
        found = _parameters(found)
    elif found is None:
        found = node[place] = _made(None) if isinstance(default, BaseModel | None) else default
    if not isinstance(found, CommentedMap | CommentedSeq):
        got = f"{'.'.join(axis.keys[:depth])} is {written(found)}"
        raise _no_place(axis, got, "Name a key that has no others below it")
    return found


def _as_part(found: Any) -> Any:
    """A part that may be written as its name alone, with room for parameters."""
    return _made(found) if isinstance(found, str) else found


def _default(base: Study, keys: Sequence[str]) -> Any:
    """What the study has under these keys; None where they lead nowhere."""
    found: Any = base
    for key in keys:
        found = getattr(found, key, None)
    return found


def _made(part: str | None) -> CommentedMap:
    """Room for keys: those of a part, or of a section that the file does not have."""
    made = CommentedMap({} if part is None else {"name": part})
    made.fa.set_flow_style()
    return made


def _parameters(part: Any) -> Any:
    """What stands below the name of a part that is written so: `unet: {filters: 16}`."""
    if not isinstance(part, CommentedMap) or "name" in part or len(part) != 1:
        return part
    ((name, found),) = part.items()
    if found is None:
        found = part[name] = _made(None)
    return found


def _place(node: Any, key: str, axis: Axis) -> Any:
    """A key of a mapping; of a list the place that a number names, or that of the part of this name."""
    if not isinstance(node, CommentedSeq):
        return key
    if key.isascii() and key.isdigit() and int(key) < len(node):
        return int(key)
    places = [place for place, item in enumerate(node) if _name(item) == key]
    if len(places) != 1:
        names = ", ".join(str(_name(item)) for item in node) or "nothing"
        many = f"{len(places)} of the parts are called {key!r}" if places else f"there is no {key!r} in this list"
        raise _no_place(axis, many, f"Name one of: {names}; or its place, counted from 0")
    return places[0]


def _name(item: Any) -> Any:
    if isinstance(item, CommentedMap):
        return item.get("name", next(iter(item), None))
    return item


def _no_place(axis: Axis, got: str, remedy: str) -> InputError:
    return InputError.one("there is no such setting in the study", where=f"--set {axis.path}", got=got, remedy=remedy)


def _told(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {word}" for key, word in settings.items())


def _shown(value: Any) -> str:
    """A value as it is written in one line."""
    text, writer = io.StringIO(), YAML(typ="rt")
    writer.width, writer.default_flow_style = 4096, True
    writer.dump([value], text)
    return text.getvalue().strip()[1:-1]


def _slug(settings: Mapping[str, str]) -> str:
    """What tells a study from the others, as a part of a file's name."""
    words = "-".join(f"{path.rpartition('.')[2]}-{word}" for path, word in settings.items())
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9_.+-]+", "-", words)).strip("-.")[:_LONGEST_NAME]

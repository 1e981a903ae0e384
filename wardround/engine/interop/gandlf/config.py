"""A configuration file of GaNDLF: YAML as PyYAML reads it, which is how GaNDLF reads it, and nothing that it runs.

What is 1e-3 to people is a text to PyYAML, `no` is false, and a key that stands twice counts with its last value. So
the same reader is needed to understand a file as GaNDLF does; only its safe loader is used, which makes no objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import read_named
from wardround.engine.interop.gandlf.notes import Notes

_MOST_BYTES = 256 << 10
_MOST_NODES = 20_000
_NOUN = "configuration of GaNDLF"
_BY_TAGS = (RecursionError, ValueError, TypeError, LookupError, AttributeError)
"""What PyYAML raises for a value that is not what its tag says, such as `!!bool x`."""
_KEYS = frozenset({"model", "patch_size", "loss_function", "metrics"})


def read_config(path: Path, notes: Notes) -> Mapping[str, Any]:
    """The content of a configuration. Raises `InputError` where it is none; keys that stand twice are noted."""
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = None if node is None or _size(node) > _MOST_NODES else yaml.safe_load(text)
    except (yaml.YAMLError, *_BY_TAGS) as error:
        got, remedy = " ".join(str(error).split()), "GaNDLF cannot read it either: correct the line, or copy it again"
        raise InputError.one("this is no YAML", where=str(path), got=got, remedy=remedy) from None
    if not isinstance(content, dict) or not _KEYS & content.keys():
        raise InputError.one(
            "this is no configuration of GaNDLF",
            where=str(path),
            got=f"the keys {', '.join(map(str, content))}" if isinstance(content, dict) else "no mapping of keys",
            expected="keys such as `model`, `patch_size` and `loss_function`",
            remedy="Name the file that `gandlf run --config` is given",
        )
    assert node is not None
    _tell_twice(node, "", notes)
    return {str(key): value for key, value in content.items()}


def _text(path: Path) -> str:
    content = read_named(path, _NOUN, _MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        got, expected = f"more than {_MOST_BYTES:,} bytes", "some kilobytes"
        raise InputError.one("this is too large for a configuration", where=str(path), got=got, expected=expected)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        remedy = "Save it as UTF-8"
        raise InputError.one("this is not UTF-8 text", where=str(path), expected="YAML", remedy=remedy) from None


def _size(node: yaml.Node) -> int:
    """How many nodes there are once each alias is written out, counted no further than is allowed."""
    count, waiting = 0, [node]
    while waiting and count <= _MOST_NODES:
        count += 1
        waiting += _below(waiting.pop())
    return count


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _tell_twice(node: yaml.Node, place: str, notes: Notes) -> None:
    """Note each key that stands twice in a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name = f"{place}{key.value}"
        if name in lines:
            text = f"the key stands on lines {lines[name]} and {key.start_mark.line + 1}: the last one counts, silently"
            notes.there(name, text)
        lines[name] = key.start_mark.line + 1
        _tell_twice(value, f"{name}.", notes)

"""What may stand at a place of a document, in words and by an example, told from the model's own schema.

A person who wrote `epochs: many` needs to hear "a whole number from 1 to 100,000" and to see `epochs: 50`, whatever the
validator calls the error. Both come from the types, so that a new key needs no text of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from wardround.engine.basics.flaws import Location as Location
from wardround.engine.basics.flaws import flow as flow
from wardround.engine.study.names import NAME
from wardround.engine.study.nodes import PART_MODELS, Node, branches, child, choices, resolved, schema_of, takes, within

PATTERNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        r"^[a-z0-9][a-z0-9-]{0,63}$": (
            "lower-case letters, digits and hyphens, at most 64, such as `hippocampus-1`",
            "hippocampus-1",
        ),
        r"^[a-z0-9][a-z0-9-]{0,31}$": ("lower-case letters, digits and hyphens, at most 32, such as `north`", "north"),
        NAME: (
            "at most 64 letters, digits, blanks and . _ & + -, a letter or digit first, such as `T1w`",
            "T1w",
        ),
        r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,127}$": ("the name of a metric, such as `dice`", "dice"),
        r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?$": (
            "the name of a column, at most 128 letters and signs without a blank at either end, such as `age`",
            "age",
        ),
        r"^(auto|cpu|cuda(:[0-9]+)?)$": ("auto, cpu, cuda, or cuda:0 and so on", "auto"),
        r"^[RLAPSI]{3}$": ("three of the letters R L A P S I, such as `RAS`", "RAS"),
        r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$": (
            "host:port, such as `fl.example.org:9443`",
            "fl.example.org:9443",
        ),
        r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$": ("an IP address or a network, such as `10.0.1.0/24`", "10.0.1.0/24"),
        r"^([0-9A-Fa-f:.]+|[A-Za-z0-9.-]{1,253})$": (
            "a host name or an IP address, such as `fl.example.org`",
            "fl.example.org",
        ),
        r"^[A-Za-z][A-Za-z0-9_-]{0,63}$": ("a name of letters, digits, _ and -, such as `fedavg`", "fedavg"),
    }
)
"""What people may write where a text has a pattern, and an example of it."""
PART_WORDS = "a name, alone or with its parameters: `name` or `name: {key: value}`"
_DEEPEST = 4
_MOST_AXES = 3


@dataclass(frozen=True)
class Place:
    """A place of a document, as its model sees it.

    Attributes:
        location: the place without the names that a validator gives to alternatives, which are no keys.
        node: what the model's schema says of it; None for a key that it does not know.
        root: the whole schema, to which the node refers.
    """

    location: Location
    node: Node | None
    root: Node

    @property
    def expected(self) -> str:
        """In words what may stand here; empty where the model does not know the place."""
        return "" if self.node is None else _words(self.node, self.root)

    @property
    def example(self) -> Any:
        """A value that may stand here, or None."""
        return None if self.node is None else _example(self.node, self.root)

    @property
    def key(self) -> str:
        """The last key that leads here; empty for the document as a whole and for an item of a list."""
        return self.location[-1] if self.location and isinstance(self.location[-1], str) else ""

    @property
    def head(self) -> str:
        """What stands before a value here, such as `epochs: `; empty for an item of a list."""
        return f"{self.key}: " if self.key else ""

    @property
    def only(self) -> Any:
        """The one value that may stand here; None where there are several."""
        values = [choice for branch in self.branches for choice in choices(branch) or (None,)]
        return values[0] if len(values) == 1 else None

    def takes(self, value: Any) -> bool:
        """Whether a value may stand here, as far as the schema tells."""
        return self.node is None or takes(self.node, value, self.root)

    def admits(self, number: float) -> bool:
        """Whether a number lies within the bounds of the place."""
        return any(within(branch, number) for branch in self.branches if branch.get("type") in ("integer", "number"))

    @property
    def wants_whole(self) -> bool:
        """Whether of all numbers only whole ones may stand here."""
        kinds = {branch.get("type") for branch in self.branches}
        return "integer" in kinds and "number" not in kinds

    @property
    def wants_number(self) -> bool:
        """Whether a number may stand here."""
        return any(branch.get("type") in ("integer", "number") for branch in self.branches)

    @property
    def wants_text(self) -> bool:
        """Whether nothing but a text may stand here."""
        return bool(self.branches) and all(branch.get("type") == "string" for branch in self.branches)

    @property
    def entries(self) -> tuple[int, int]:
        """How many entries a list here has at least, and at most; as many as at least in a list that may be long."""
        least = max((branch.get("minItems", 1) for branch in self.branches), default=1)
        most = max((branch.get("maxItems", least) for branch in self.branches), default=least)
        return least, most if most <= _MOST_AXES else least

    @property
    def wants_truth(self) -> bool:
        """Whether true or false may stand here."""
        return any(branch.get("type") == "boolean" for branch in self.branches)

    @property
    def wants_list(self) -> bool:
        """Whether a list may stand here."""
        return any(branch.get("type") == "array" for branch in self.branches)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that may stand here, where only some may."""
        return tuple(word for branch in self.branches for word in choices(branch) if isinstance(word, str))

    @property
    def wants_short_name(self) -> bool:
        """Whether a name of lower-case letters, digits and hyphens must stand here."""
        return any(str(branch.get("pattern", "")).startswith("^[a-z0-9][a-z0-9-]") for branch in self.branches)

    @property
    def wants_plain_name(self) -> bool:
        """Whether a name of plain letters, digits, blanks and a few signs must stand here."""
        return any(branch.get("pattern") == NAME for branch in self.branches)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that a mapping in this place takes."""
        return tuple(dict.fromkeys(key for branch in self.branches for key in branch.get("properties", ())))

    def below(self, key: str) -> Place:
        """The place of a key of the section that may stand here."""
        return Place((*self.location, key), None if self.node is None else child(self.node, key, self.root), self.root)

    @property
    def line(self) -> str:
        """A line that may be written here, such as `epochs: 50`; empty where no example is known."""
        value = self.example
        if value is None:
            return ""
        return f"{self.key}: {flow(value)}" if self.key else flow(value)

    @property
    def branches(self) -> tuple[Node, ...]:
        """Each kind of value that may stand here."""
        return () if self.node is None else tuple(branches(self.node, self.root))


def place_in(model: type[BaseModel], location: Location) -> Place:
    """The place of a validator's location: without names of alternatives, and with what the schema says of it."""
    root = schema_of(model)
    node: Node | None = root
    kept: Location = ()
    for number, step in enumerate(location, start=1):
        if step == "[key]" and node is not None:
            return Place(kept, _key_node(location, model), root)
        found = None if node is None else child(node, step, root)
        if found is not None or (number == len(location) and not _is_alternative(step, node, root)):
            kept, node = (*kept, step), found
    return Place(kept, node, root)


def homes_of(model: type[BaseModel], key: str) -> tuple[str, ...]:
    """The sections of a document in which a key is known, such as `training`."""
    root = schema_of(model)
    return tuple(dict.fromkeys(".".join(path) for path in _sections_with(root, root, key, ())))


def _key_node(location: Location, model: type[BaseModel]) -> Node | None:
    """What the schema says of the keys of the mapping in which a key stands."""
    parent = place_in(model, location[:-2])
    for branch in () if parent.node is None else branches(parent.node, parent.root):
        for pattern in branch.get("patternProperties", {}):
            return {"type": "string", "pattern": pattern}
    return None


def _is_alternative(step: str | int, node: Node | None, root: Node) -> bool:
    return isinstance(step, str) and node is not None and len(list(branches(node, root))) > 1


def _words(node: Node, root: Node) -> str:
    ways = list(branches(node, root))
    said = [_branch_words(branch, root) for branch in ways if branch.get("type") != "null"]
    if len(said) < len(ways):
        said.append("nothing at all")
    return ", or ".join(dict.fromkeys(said))


def _branch_words(branch: Node, root: Node) -> str:
    only = choices(branch)
    if only:
        shown = [flow(choice) for choice in only]
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
    if branch.get("title") in PART_MODELS:
        return PART_WORDS
    kind = branch.get("type")
    if kind == "object":
        return _mapping_words(branch, root)
    if kind == "array":
        return _list_words(branch, root)
    if kind == "boolean":
        return "true or false"
    if kind in ("integer", "number"):
        return _number_words(branch)
    if kind == "string":
        return _text_words(branch)
    return "another value"


def _mapping_words(branch: Node, root: Node) -> str:
    keys = tuple(branch.get("properties", ()))
    if keys:
        return f"lines of the form `key: value` with the keys {', '.join(keys)}"
    free = [*branch.get("patternProperties", {}).values(), branch.get("additionalProperties")]
    value = next((item for item in free if isinstance(item, Mapping)), None)
    return f"lines of the form `name: value`{'' if value is None else f', each value {_words(value, root)}'}"


def _list_words(branch: Node, root: Node) -> str:
    fixed: Sequence[Node] = branch.get("prefixItems", ())
    if fixed:
        return f"a list of {len(fixed)}: {'; '.join(_words(item, root) for item in fixed)}"
    least, most = branch.get("minItems"), branch.get("maxItems")
    if least and most:
        count = f"{least} to {most} entries"
    elif most:
        count = f"at most {most} entries"
    else:
        count = f"{least} or more entries" if least else "entries"
    items = branch.get("items")
    return f"a list of {count}{f', each {_words(items, root)}' if isinstance(items, Mapping) and items else ''}"


def _number_words(branch: Node) -> str:
    noun = "a whole number" if branch["type"] == "integer" else "a number"
    least, most = branch.get("minimum", branch.get("ge")), branch.get("maximum", branch.get("le"))
    above, below = branch.get("exclusiveMinimum"), branch.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f"{noun} from {least:,} to {most:,}"
    limits = ((least, "of at least"), (above, "above"), (most, "of at most"), (below, "below"))
    return " ".join([noun, " and ".join(f"{word} {limit:,}" for limit, word in limits if limit is not None)]).strip()


def _text_words(branch: Node) -> str:
    pattern = branch.get("pattern")
    if pattern is not None:
        return PATTERNS.get(pattern, ("text of another form", ""))[0]
    if branch.get("format") == "path":
        return "the path of a file or folder"
    return "text"


def _example(node: Node, root: Node) -> Any:
    """The default or an example that the type gives, or else one that is made up from its limits."""
    whole = resolved(node, root)
    if whole.get("examples"):
        return whole["examples"][0]
    if whole.get("default") not in (None, [], {}) and not isinstance(whole["default"], dict):
        return whole["default"]
    ways = sorted(branches(node, root), key=lambda branch: branch.get("type") == "null")
    return _branch_example(ways[0], root) if ways else None


def _branch_example(branch: Node, root: Node) -> Any:
    if branch.get("examples"):
        return branch["examples"][0]
    if only := choices(branch):
        return only[0]
    kind = branch.get("type")
    if kind == "object":
        return _mapping_example(branch, root)
    if kind == "array":
        return _list_example(branch, root)
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return _number_example(branch)
    return _text_example(branch) if kind == "string" else None


def _mapping_example(branch: Node, root: Node) -> Any:
    properties: Mapping[str, Node] = branch.get("properties", {})
    if branch.get("title") in PART_MODELS or not properties:
        return None
    chosen = branch.get("required") or [next(iter(properties))]
    return {key: _example(properties[key], root) for key in chosen}


def _list_example(branch: Node, root: Node) -> Any:
    fixed: Sequence[Node] = branch.get("prefixItems", ())
    if fixed:
        return [_example(item, root) for item in fixed]
    items = branch.get("items")
    value = _example(items, root) if isinstance(items, Mapping) else None
    return None if value is None else [value] * max(1, branch.get("minItems", 1))


def _number_example(branch: Node) -> float:
    least, above = branch.get("minimum", branch.get("ge")), branch.get("exclusiveMinimum")
    if branch.get("exclusiveMaximum", 2) <= 1:
        return float(least or 0) if above is None else (above + branch["exclusiveMaximum"]) / 2
    if least is not None:
        return float(max(1, least) if branch.get("maximum", 1) >= 1 else least)
    return 1.0 if above is None else float(above + 1)


def _text_example(branch: Node) -> str | None:
    if branch.get("format") == "path":
        return "data/train.csv"
    return PATTERNS[branch["pattern"]][1] if branch.get("pattern") in PATTERNS else None


def _sections_with(node: Node, root: Node, key: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(path) > _DEEPEST:
        return
    for branch in branches(node, root):
        properties: Mapping[str, Node] = {} if branch.get("title") in PART_MODELS else branch.get("properties", {})
        if key in properties:
            yield path
        for name, each in properties.items():
            yield from _sections_with(each, root, key, (*path, name))

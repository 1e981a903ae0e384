"""Write docs/reference.md from the typed models and the parts: `python docs/build_reference.py [--check]`."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from wardround.aggregator.settings import Evaluation, Federation, Folders, Limits
from wardround.engine.parts import Kind
from wardround.engine.study.expectations import PATTERNS
from wardround.engine.study.models import Study
from wardround.engine.study.part_names import PartUse
from wardround.engine.study.sections import Inference, Patches, Training, Validation
from wardround.federation.protocol import Horizon
from wardround.federation.strategies.registry import strategies
from wardround.site_client.agreement.settings import Policy, SiteSettings

TARGET = Path(__file__).with_name("reference.md")
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("study.yaml", Study),
    ("study.yaml: patches", Patches),
    ("study.yaml: training", Training),
    ("study.yaml: validation", Validation),
    ("study.yaml: inference", Inference),
    ("site.yaml", SiteSettings),
    ("policy.yaml", Policy),
    ("federation.yaml", Federation),
    ("federation.yaml: horizon", Horizon),
    ("federation.yaml: folders", Folders),
    ("federation.yaml: evaluation", Evaluation),
    ("federation.yaml: limits", Limits),
)
PLAIN: dict[Any, str] = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path"}
SIGNS = {
    "ge": "at least",
    "gt": "above",
    "le": "at most",
    "lt": "below",
    "min_length": "length from",
    "max_length": "to",
}


def _limits(metadata: Any) -> Iterator[str]:
    for constraint in metadata:
        if isinstance(constraint, FieldInfo):
            yield from _limits(constraint.metadata)
        for name, words in SIGNS.items():
            if getattr(constraint, name, None) is not None:
                yield f"{words} {getattr(constraint, name)}"
        if getattr(constraint, "pattern", None):
            yield f"({PATTERNS[constraint.pattern][0]})"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = ", ".join(_limits(arguments[1:]))
        return _type(arguments[0]) + (f" {limits}" if limits else "")
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join("nothing" if argument is type(None) else _type(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}" if arguments[-1] is Ellipsis else ", ".join(map(_type, arguments))
    if origin is dict:
        return f"mapping of {_type(arguments[0])} to {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a part" if issubclass(annotation, PartUse) else "a section"
    return PLAIN.get(annotation, getattr(annotation, "__name__", "a part"))


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "its own defaults"
    if value is None:
        return "nothing"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "**required**"
    return _plain(field.get_default(call_default_factory=True, validated_data={}))


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        limits = ", ".join(_limits(field.metadata))
        written = _type(field.annotation) + (f" {limits}" if limits else "")
        cells = (f"`{field.alias or name}`", written, _default(field))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _about(model: type[BaseModel]) -> str:
    text = inspect.cleandoc(model.__doc__ or "")
    head, _, attributes = text.partition("Attributes:\n")
    items = inspect.cleandoc(attributes).replace("\n    ", " ").splitlines()
    return head.strip() + "\n" + ("\n" + "\n".join(f"- {item}" for item in items) + "\n" if items else "")


def _table(title: str, model: type[BaseModel], level: int) -> str:
    rows = list(_rows(model))
    table = "\n| key | value | default |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return f"{'#' * level} {title}\n\n{_about(model)}{table}"


def _parts(kind: Kind) -> Iterator[str]:
    yield f"## Parts: {kind}\n"
    for part in strategies().parts(kind):
        served = f" ({', '.join(sorted(part.tasks))})" if part.tasks else ""
        known = f"\nIn GaNDLF: {', '.join(f'`{name}`' for name in part.gandlf)}.\n" if part.gandlf else ""
        yield _table(f"`{part.name}`{served}", part.parameters, 3) + known


def reference() -> str:
    """The whole page."""
    head = "# Reference\n\nMade from the code by `python docs/build_reference.py`, and checked by a test.\n"
    sections = [_table(title, model, 2) for title, model in SECTIONS]
    return "\n".join([head, *sections, *(text for kind in Kind for text in _parts(kind))])


def main() -> None:
    """Write the page, or with `--check` exit 1 if it is out of date."""
    if "--check" in sys.argv[1:]:
        sys.exit(0 if TARGET.exists() and TARGET.read_text() == reference() else f"{TARGET.name} is out of date")
    TARGET.write_text(reference())


if __name__ == "__main__":
    main()

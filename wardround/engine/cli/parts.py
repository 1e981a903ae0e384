"""`wardround parts`: what a study can name."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say, say_json, say_text
from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.cli.telling import described
from wardround.engine.parts import STUDY_KINDS, Kind, Part, builtin_and_plugins


def parts(
    kind: Annotated[str | None, typer.Argument(help="Only this kind, such as network or loss.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with the parameters' schemas.")] = False,
) -> None:
    """List the parts that a study can name, with their parameters and defaults."""
    chosen, registry = _kinds(kind), builtin_and_plugins()
    found = [part for part in registry.parts() if part.kind in chosen]
    if as_json:
        say_json({"parts": [_described(part) for part in found], "problems": described(registry.broken)})
        return
    note(*(f"note: {problem.render()}" for problem in registry.broken))
    for each in chosen:
        say(f"{each}:")
        for part in found:
            if part.kind is each:
                say_text(_text(part))


def _kinds(word: str | None) -> tuple[Kind, ...]:
    if word is None:
        return STUDY_KINDS
    if word not in STUDY_KINDS:
        raise InputError.one(
            "unknown kind of part",
            got=repr(word),
            expected=f"one of {', '.join(STUDY_KINDS)}",
            remedy=did_you_mean(word, STUDY_KINDS),
        )
    return (Kind(word),)


def _text(part: Part) -> str:
    tasks = f" [{', '.join(sorted(part.tasks))}]" if part.tasks else ""
    whose = f" (of {part.package})" if part.package else ""
    lines = [f"  {part.name}{tasks}{whose}: {_summary(part)}"]
    if part.gandlf:
        lines.append(f"      in GaNDLF: {', '.join(part.gandlf)}")
    for name, field in part.parameters.model_fields.items():
        default = "required" if field.is_required() else f"default {_written(field.get_default())}"
        lines.append(f"      {field.alias or name}: {default}")
    return "\n".join(lines)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _summary(part: Part) -> str:
    return (part.parameters.__doc__ or "").strip().split("\n")[0]


def _described(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "name": part.name,
        "tasks": sorted(part.tasks),
        "package": part.package or None,
        "gandlf": list(part.gandlf),
        "summary": _summary(part),
        "parameters": part.parameters.model_json_schema(),
    }

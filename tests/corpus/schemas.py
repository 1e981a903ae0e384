"""The keys of every schema of a release, so that a later one cannot add, drop or redefine one without noticing.

python -m tests.corpus.schemas keys.json
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import wardround
from wardround.engine.basics.closed import Added, Closed, every_closed_model

Keys = dict[str, dict[str, Any]]
"""Of each schema each key: `default` where it has one, and `added`, the release that its mark names."""


def schemas_of_today() -> dict[str, type[Closed]]:
    """Every schema by the name of its module and its own."""
    for module in pkgutil.walk_packages(wardround.__path__, "wardround."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    models = {model for model in every_closed_model() if model.__module__.startswith("wardround.")}
    return {f"{model.__module__.removeprefix('wardround.')}.{model.__qualname__}": model for model in models}


def keys_of(model: type[Closed]) -> dict[str, Any]:
    """The keys of one schema."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key: dict[str, Any] = {}
        if not field.is_required():
            key["default"] = _plain(field.get_default(call_default_factory=True, validated_data={}))
        marks = [mark.release for mark in field.metadata if isinstance(mark, Added)]
        if marks:
            key["added"] = marks[0]
        found[field.alias or name] = key
    return found


def keys_of_today() -> Keys:
    """The keys of every schema."""
    return {name: keys_of(model) for name, model in sorted(schemas_of_today().items())}


def _plain(value: object) -> Any:
    dumped = value.model_dump(mode="json") if isinstance(value, Closed) else value
    return json.loads(json.dumps(dumped, default=str))


def write_keys(path: Path) -> None:
    """The keys of every schema, for the corpus of a release."""
    path.write_text(json.dumps(keys_of_today(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write_keys(Path(sys.argv[1]))

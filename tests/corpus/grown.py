"""Next year's release, played by this one: every schema has new keys. Run it in a process of its own.

    python -m tests.corpus.grown [what pytest is to run]

The keys join each class while it is made, so that no schema can be forgotten.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any
from unittest import mock

import pytest
from pydantic import BaseModel, Field

from wardround.engine.basics import closed
from wardround.engine.basics.closed import Added, Closed


class Nested(Closed):
    """A section of its own, as a new key may have."""

    scale: float = 1.0
    names: tuple[str, ...] = ("a",)


NEW_KEYS: dict[str, tuple[Any, Any]] = {
    "next_flag": (Annotated[bool, Added("9.0.0")], False),
    "next_number": (Annotated[float | None, Added("9.0.0"), Field(ge=0)], None),
    "next_count": (Annotated[int, Added("9.0.0"), Field(alias="next-count")], 3),
    "next_section": (Annotated[Nested, Added("9.0.0")], Nested()),
    "next_list": (Annotated[tuple[Nested, ...], Added("9.0.0")], ()),
    "next_table": (Annotated[dict[str, int], Added("9.0.0")], Field(default_factory=dict)),
}


def grow() -> list[str]:
    """From now on every schema that is made has the new keys; the list of their names fills as they are."""
    grown: list[str] = []
    metaclass = type(BaseModel)
    make = metaclass.__new__

    def made(mcs: Any, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """The class, with the new keys where it is the first of its line."""
        parents = [base for base in bases if isinstance(base, type) and issubclass(base, Closed)]
        if parents and str(namespace.get("__module__")).startswith("wardround."):
            grown.append(name)
            if not any(NEW_KEYS.keys() & base.model_fields.keys() for base in parents):
                annotations = namespace.setdefault("__annotations__", {})
                annotations.update({key: annotation for key, (annotation, _) in NEW_KEYS.items()})
                namespace.update({key: default for key, (_, default) in NEW_KEYS.items()})
        return make(mcs, name, bases, namespace, **options)

    mock.patch.object(metaclass, "__new__", made).start()
    return grown


def main(arguments: list[str]) -> int:
    """Run tests with grown schemas; 3 unless all that are made later were grown."""
    assert closed
    grown = grow()
    code = int(pytest.main(arguments))
    print(f"{len(grown)} schemas were grown")
    return code if len(grown) > 80 else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The rooms whose tests are examined, and which tests are answerable for a module."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """A folder of modules, and the folders of their tests, all from the checkout's root."""

    name: str
    modules: str
    tests: tuple[str, ...]

    def tests_of(self, root: Path, module: str) -> tuple[str, ...]:
        """The test files that name a module or something public of it; those of its own room where none does."""
        words = [Path(module).stem, *_public_names(root / module)]
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
        rooms = [sorted((root / tests).glob("test_*.py")) for tests in self.tests]
        naming = [path for files in rooms for path in files if pattern.search(path.read_text())]
        return tuple(path.relative_to(root).as_posix() for path in naming or rooms[0])


ROOMS = (
    Room("experiments", "wardround/engine/experiments", ("tests/engine/experiments", "tests/site_client")),
    Room("training", "wardround/engine/training", ("tests/engine/training",)),
    Room("store", "wardround/engine/store", ("tests/engine/store",)),
    Room("rounds", "wardround/aggregator/rounds", ("tests/aggregator",)),
    Room("site_client", "wardround/site_client", ("tests/site_client",)),
)


def _public_names(path: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds)]
    return [name for name in names if not name.startswith("_")]

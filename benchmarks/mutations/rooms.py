"""The rooms whose tests are examined, and which tests are answerable for a module."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """A folder of modules, and the folder of their tests, both from the checkout's root."""

    name: str
    modules: str
    tests: str

    def tests_of(self, root: Path, module: str) -> tuple[str, ...]:
        """The room's test files that name a module or something public of it; all of them where none does."""
        words = [Path(module).stem, *_public_names(root / module)]
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
        files = sorted((root / self.tests).glob("test_*.py"))
        naming = [path for path in files if pattern.search(path.read_text())]
        return tuple(path.relative_to(root).as_posix() for path in naming or files)


ROOMS = (
    Room("experiments", "wardround/engine/experiments", "tests/engine/experiments"),
    Room("training", "wardround/engine/training", "tests/engine/training"),
    Room("store", "wardround/engine/store", "tests/engine/store"),
    Room("rounds", "wardround/aggregator/rounds", "tests/aggregator"),
    Room("site_client", "wardround/site_client", "tests/site_client"),
)


def _public_names(path: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds)]
    return [name for name in names if not name.startswith("_")]

"""The package's own source as syntax trees, for the rules that are checked on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import wardround

PACKAGE = Path(wardround.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its path and its tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether this is an `__init__.py`."""
        return self.path.name == "__init__.py"

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones included."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every imported module with its line, wherever the import stands; `from a import b` gives `a` and `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield base, node.lineno
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        steps = node.level - 1 if self.is_package else node.level
        parent = self.name.split(".")[: len(self.name.split(".")) - steps]
        return ".".join([*parent, *([node.module] if node.module else [])])


FEWEST = 500
"""Modules that the package has at least: a rule that is checked on fewer has not seen it, and holds of nothing."""


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the package. Raises AssertionError where there are too few for it to be the package."""
    return modules_of(PACKAGE)


def modules_of(package: Path) -> tuple[Module, ...]:
    """All modules of a folder that is the package."""
    found = tuple(_module(path) for path in sorted(package.rglob("*.py")))
    assert len(found) >= FEWEST, f"only {len(found)} modules under {package}, of {FEWEST} or more"
    return found


def _module(path: Path) -> Module:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))


def place(module: Module, line: int) -> str:
    """`wardround/engine/study/models.py:12`."""
    return f"{module.path.relative_to(PACKAGE.parent)}:{line}"

"""The package's own source as syntax trees, for the rules that are checked on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
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
        """Every imported module with its line, wherever the import stands; `from a import b` gives `a` and `a.b`.

        `import_module("a")` is an import of `a`.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield base, node.lineno
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
            elif isinstance(node, ast.Call) and self.named(node.func) & _IMPORTERS:
                yield from ((word, node.lineno) for word in _first_word(node))

    def named(self, node: ast.AST) -> frozenset[str]:
        """The dotted names that an expression may mean by the module's imports: `t.load` is `torch.load` after
        `import torch as t`, and so are `load` after `from torch import load` and `getattr(t, "load")`."""
        if isinstance(node, ast.Attribute):
            return frozenset(f"{base}.{node.attr}" for base in self.named(node.value))
        if isinstance(node, ast.Name):
            return meanings(self).get(node.id, frozenset([node.id]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            word = node.args[1]
            known = isinstance(word, ast.Constant)
            return frozenset(f"{base}.{word.value}" for base in self.named(node.args[0]) if known)  # type: ignore[attr-defined]
        return frozenset()

    def given_names(self) -> Iterator[tuple[str, str]]:
        """Each name that an import gives, with what it means."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (top, top)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    base = self._base(node)
                    yield alias.asname or alias.name, alias.name if base == "builtins" else f"{base}.{alias.name}"

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        steps = node.level - 1 if self.is_package else node.level
        parent = self.name.split(".")[: len(self.name.split(".")) - steps]
        return ".".join([*parent, *([node.module] if node.module else [])])


_IMPORTERS = frozenset({"importlib.import_module", "importlib.__import__", "__import__", "builtins.__import__"})


def _first_word(call: ast.Call) -> Iterator[str]:
    """The text that a call is given first, where it stands there as a text."""
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")][:1]
    yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))


@cache
def meanings(module: Module) -> Mapping[str, frozenset[str]]:
    """By each name that the imports of a module give, what it may mean; two imports may give it two meanings."""
    found: dict[str, set[str]] = {}
    for name, meaning in module.given_names():
        found.setdefault(name, set()).add(meaning)
    return {name: frozenset(each) for name, each in found.items()}


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

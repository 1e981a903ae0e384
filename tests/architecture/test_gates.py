"""Sizes and documentation: short functions, small files, everything public explained, everything annotated."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import Function, Module, modules, modules_of, place
from tests.support.checkout import CHECKOUT

LONGEST_BODY = 50
LONGEST_FILE = 400
MOST_PATHS = 10
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.match_case)


def _body_lines(function: Function) -> int:
    body = function.body
    has_docstring = ast.get_docstring(function) is not None
    if has_docstring and len(body) == 1:
        return 0
    first = body[1] if has_docstring else body[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def _paths(function: Function) -> int:
    """McCabe's count, comprehensions and boolean operators included; nested functions count for themselves."""
    own = list(_own_nodes(function))
    operators = sum(len(node.values) - 1 for node in own if isinstance(node, ast.BoolOp))
    return 1 + sum(isinstance(node, _BRANCHES) for node in own) + operators


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function):
            yield child
            yield from _own_nodes(child)


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def test_an_empty_tree_passes_no_gate(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="only 0 modules"):
        modules_of(tmp_path)


def test_the_gates_see_every_file_and_what_is_in_them() -> None:
    tracked = subprocess.run(["git", "ls-files", "--", "wardround/*.py"], cwd=CHECKOUT, capture_output=True, text=True)
    if tracked.returncode == 0:  # an unpacked archive has no history to compare with
        assert {str(module.path.relative_to(CHECKOUT)) for module in modules()} >= set(tracked.stdout.split())
    functions = [function for module in modules() for function in module.functions()]
    assert len(functions) > 4000
    assert len([node for module in modules() for node in _public_definitions(module.tree)]) > 2500
    assert sum(1 for module in modules() for _ in module.imports()) > 10_000
    assert max(map(_body_lines, functions)) > 30  # and they can count
    assert max(map(_paths, functions)) > 8


def test_functions_are_short() -> None:
    found = [
        f"{place(module, function.lineno)} {function.name}: {_body_lines(function)} lines"
        for module in modules()
        for function in module.functions()
        if _body_lines(function) > LONGEST_BODY
    ]
    assert not found, "\n".join(found)


def test_functions_are_simple() -> None:
    found = [
        f"{place(module, function.lineno)} {function.name}: {_paths(function)} paths"
        for module in modules()
        for function in module.functions()
        if _paths(function) > MOST_PATHS
    ]
    assert not found, "\n".join(found)


def test_files_are_small() -> None:
    lengths = {module.path: len(module.path.read_text(encoding="utf-8").splitlines()) for module in modules()}
    found = [f"{path}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]
    assert not found, "\n".join(found)


def test_everything_public_has_a_docstring() -> None:
    found = [where for module in modules() for where in _undocumented(module)]
    assert not found, "\n".join(found)


def _undocumented(module: Module) -> list[str]:
    found = [] if ast.get_docstring(module.tree) else [f"{place(module, 1)} the module"]
    for node in _public_definitions(module.tree):
        if ast.get_docstring(node) is None:
            found.append(f"{place(module, node.lineno)} {node.name}")
    return found


def _public_definitions(scope: ast.Module | ast.ClassDef) -> list[Function | ast.ClassDef]:
    found: list[Function | ast.ClassDef] = []
    for node in scope.body:
        if isinstance(node, Function | ast.ClassDef) and _is_public(node.name):
            found.append(node)
        if isinstance(node, ast.ClassDef) and _is_public(node.name):
            found.extend(_public_definitions(node))
    return found


def test_everything_is_annotated() -> None:
    found = [
        f"{place(module, function.lineno)} {function.name}"
        for module in modules()
        for function in module.functions()
        if not _is_annotated(function)
    ]
    assert not found, "\n".join(found)


def _is_annotated(function: Function) -> bool:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    typed = all(argument.annotation is not None or argument.arg in {"self", "cls"} for argument in (*named, *starred))
    return typed and function.returns is not None

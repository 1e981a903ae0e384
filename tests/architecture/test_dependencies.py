"""What is imported is declared, and what is declared is imported: nothing rides on what others bring along."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from sys import stdlib_module_names
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import PACKAGE, modules
from tests.support.checkout import CHECKOUT

OURS = frozenset({"wardround", "tests", "benchmarks", "contrast_parts", "emptyround", "round_overhead_stock"})
"""Packages of the checkout, and those that its tests and benchmarks make."""

NEVER_IMPORTED = {
    **dict.fromkeys(("onnx", "onnxscript"), "torch loads them to write ONNX"),
    "alembic": "MLflow loads it to make its database",
    **dict.fromkeys(("mypy", "ruff"), "a program of its own"),
    **dict.fromkeys(("pytest-cov", "pytest-timeout", "pytest-xdist"), "pytest loads it"),
    **dict.fromkeys(("types-jsonschema", "types-requests"), "mypy reads it"),
}
"""Declared and used without an import, and by whom."""

INSIDES_USED = {"flwr", "h11", "uvicorn"}
"""Libraries of which private parts are used; the contract tests in tests/federation/flower name them."""

MENDED_ONLY = re.compile(r"==\d+\.\d+\.(\d+|\*)")
"""A pin that lets in mended releases at most."""


@dataclass(frozen=True)
class Use:
    """An import of another package's module."""

    place: str
    module: str

    @property
    def distributions(self) -> frozenset[str]:
        """The packages that may bring the module: one that nobody installed is called as its module."""
        top = self.module.split(".")[0]
        return frozenset(map(canonicalize_name, _bringing().get(top, [top])))


@cache
def _bringing() -> dict[str, list[str]]:
    return dict(packages_distributions())


@cache
def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return project


def _requirements(*extras: str) -> list[Requirement]:
    optional = _project()["optional-dependencies"]
    return [
        Requirement(line) for line in [*_project()["dependencies"], *(one for name in extras for one in optional[name])]
    ]


def _declared(*extras: str) -> set[str]:
    return {canonicalize_name(found.name) for found in _requirements(*extras)}


def _foreign(name: str) -> bool:
    top = name.split(".")[0]
    return bool(top) and top not in stdlib_module_names and top not in OURS


@cache
def _uses_of_the_package() -> tuple[Use, ...]:
    return tuple(_imports_of_the_package())


def _imports_of_the_package() -> Iterator[Use]:
    for module in modules():
        where = module.path.relative_to(PACKAGE.parent)
        yield from (Use(f"{where}:{line}", name) for name, line in module.imports() if _foreign(name))


@cache
def _uses_under(folder: Path) -> tuple[Use, ...]:
    return tuple(_imports_under(folder))


def _imports_under(folder: Path) -> Iterator[Use]:
    for path in sorted(folder.rglob("*.py")):
        where = path.relative_to(CHECKOUT)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            yield from (Use(f"{where}:{node.lineno}", name) for name in names if _foreign(name))  # type: ignore[attr-defined]


def _undeclared(uses: Iterable[Use], declared: set[str]) -> list[str]:
    return [f"{use.place} imports {use.module}" for use in uses if not use.distributions & declared]


def test_what_the_package_imports_is_declared() -> None:
    assert not _undeclared(_uses_of_the_package(), _declared("demo", "onnx", "openvino", "mlflow", "wandb"))


def test_only_the_demonstration_and_other_programs_need_an_extra() -> None:
    beyond = _undeclared(_uses_of_the_package(), _declared())
    tracking = "wardround/engine/experiments/tracking"
    needing = {"wardround/demo/anatomy.py", "wardround/engine/delivery/formats.py"}
    needing |= {f"{tracking}/of_mlflow.py", f"{tracking}/of_wandb.py"}
    assert {line.split(":")[0] for line in beyond} <= needing, beyond


@pytest.mark.parametrize(("folder", "extras"), [("tests", ("dev",)), ("benchmarks", ("dev", "bench", "mutation"))])
def test_what_tests_and_benchmarks_import_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    assert not _undeclared(_uses_under(CHECKOUT / folder), _declared(*extras))


def test_what_is_declared_is_imported() -> None:
    used = {name for use in _uses_of_the_package() for name in use.distributions}
    idle = _declared() - used - set(NEVER_IMPORTED)
    assert not idle, f"declared as dependencies of the package and never imported by it: {sorted(idle)}"


def test_what_the_extras_declare_is_imported_by_tests_or_benchmarks() -> None:
    folders = (CHECKOUT / "tests", CHECKOUT / "benchmarks")
    used = {name for folder in folders for use in _uses_under(folder) for name in use.distributions}
    used |= {name for use in _uses_of_the_package() for name in use.distributions}
    idle = _declared(*_project()["optional-dependencies"]) - used - set(NEVER_IMPORTED)
    assert not idle, f"declared in an extra and never imported: {sorted(idle)}"


def test_nothing_is_excused_that_is_not_declared() -> None:
    assert set(NEVER_IMPORTED) <= _declared(*_project()["optional-dependencies"])


def test_what_is_pinned_here_is_pinned_to_the_same_in_the_constraints() -> None:
    pairs = [line.split("==") for line in (CHECKOUT / "constraints.txt").read_text().splitlines() if "==" in line]
    constraints = {canonicalize_name(name): version for name, version in pairs}
    for requirement in _requirements(*_project()["optional-dependencies"]):
        for specifier in requirement.specifier:
            assert specifier.operator == "==", f"{requirement}: ranges belong nowhere, pins into constraints.txt"
            assert specifier.contains(constraints[canonicalize_name(requirement.name)]), str(requirement)


@pytest.mark.parametrize("name", sorted(INSIDES_USED))
def test_a_library_whose_insides_are_used_is_pinned(name: str) -> None:
    pins = [str(found.specifier) for found in _requirements() if canonicalize_name(found.name) == name]
    assert len(pins) == 1
    assert MENDED_ONLY.fullmatch(pins[0]), f"{name}: private parts are used, so that another release may break them"


def test_the_check_sees_an_import_that_nobody_declared() -> None:
    assert _undeclared([Use("here:1", "starlette.routing")], {"fastapi"}) == ["here:1 imports starlette.routing"]
    assert not _undeclared([Use("here:1", "google.protobuf.message")], {"protobuf"})
    assert not _undeclared([Use("here:1", "PIL.Image"), Use("here:2", "SimpleITK")], {"pillow", "simpleitk"})

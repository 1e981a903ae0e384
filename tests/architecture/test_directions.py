"""Imports run downwards only, in the order of the house; heavy and foreign libraries stay where they belong."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, Module, modules, place
from tests.support.checkout import CHECKOUT

ROOMS = (
    *("basics", "summaries", "parts", "study", "targets", "cohort", "imaging", "preprocessing", "inspection", "store"),
    *("slides", "sampling"),
    *("augmentation", "networks", "losses", "metrics", "inference", "tasks", "privacy", "training", "trial"),
    *("experiments", "planning", "explain", "report", "delivery", "interop", "scaffold", "cli"),
)
"""Folders of the engine: each may import itself and those before it."""

ENDS = {
    "engine": {"engine"},
    "federation": {"engine", "federation"},
    "site_client": {"engine", "federation", "site_client"},
    "aggregator": {"engine", "federation", "aggregator"},
    "lab": {"engine", "federation", "site_client", "aggregator", "lab"},
    "demo": {"engine", "federation", "site_client", "aggregator", "lab", "demo"},
}
"""What each top-level package may import."""


SOURCES = ("wardround", "tests", "benchmarks", "docs", "deploy")
"""Where code of the project lies."""


def _imports(module: Module) -> list[tuple[list[str], int]]:
    return [(name.split(".")[1:], line) for name, line in module.imports() if name.startswith("wardround.")]


def test_every_folder_has_its_place_in_the_order() -> None:
    folders = {path.name for path in (PACKAGE / "engine").iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(ROOMS)
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(ENDS)


def test_the_four_rooms_are_seen_at_the_top_as_links_that_nobody_imports_through() -> None:
    links = {name: CHECKOUT / name for name in ("engine", "federation", "site_client", "aggregator")}
    assert all(link.is_symlink() and link.resolve() == PACKAGE / name for name, link in links.items())
    sources = [path for folder in SOURCES for path in sorted((CHECKOUT / folder).rglob("*.py"))]
    assert len(sources) > 400  # the package alone has more
    through = [
        f"{path.relative_to(CHECKOUT)}:{line} imports {name}"
        for path in sources
        for name, line in Module(path.stem, path, ast.parse(path.read_text(encoding="utf-8"))).imports()
        if name.split(".")[0] in links
    ]
    assert not through, "\n".join(through)


def test_rooms_of_the_engine_import_downwards_only() -> None:
    upward, seen = [], 0
    for module in modules():
        here = module.name.split(".")[1:]
        if len(here) < 2 or here[0] != "engine":
            continue
        for target, line in _imports(module):
            is_room = len(target) > 1 and target[0] == "engine" and target[1] in ROOMS
            seen += is_room
            if is_room and ROOMS.index(target[1]) > ROOMS.index(here[1]):
                upward.append(f"{place(module, line)} imports {'.'.join(target)}")
    assert not upward, "\n".join(upward)
    assert seen > 1500


def test_the_two_ends_do_not_know_each_other_and_the_engine_knows_neither() -> None:
    forbidden = []
    for module in modules():
        here = module.name.split(".")[1:2]
        for target, line in _imports(module):
            if here and target and target[0] in ENDS and target[0] not in ENDS[here[0]]:
                forbidden.append(f"{place(module, line)} imports {'.'.join(target)}")
    assert not forbidden, "\n".join(forbidden)


def test_the_check_sees_relative_and_lazy_imports() -> None:
    source = "def f():\n    from ..tasks import build_task\n    import torch.nn\n"
    module = Module("wardround.engine.study.example", Path("wardround/engine/study/example.py"), ast.parse(source))
    assert {name for name, _ in module.imports()} == {
        "wardround.engine.tasks",
        "wardround.engine.tasks.build_task",
        "torch.nn",
    }


def test_flower_is_imported_in_its_one_adapter_only() -> None:
    strangers = [
        place(module, line)
        for module in modules()
        if not module.name.startswith("wardround.federation.flower")
        for name, line in module.imports()
        if name.split(".")[0] == "flwr"
    ]
    assert not strangers


@pytest.mark.parametrize("room", ["basics", "summaries", "parts", "study", "targets", "cohort"])
def test_rooms_that_check_a_study_load_no_heavy_library(room: str) -> None:
    names = [module.name for module in modules() if module.name.startswith(f"wardround.engine.{room}")]
    assert names
    heavy = {"torch", "monai", "SimpleITK", "matplotlib", "flwr", "sklearn", "pandas", "scipy"}
    assert not heavy & _loaded_after(names)


def test_the_command_modules_load_no_heavy_library() -> None:
    names = [module.name for module in modules() if module.name.startswith("wardround.engine.cli")]
    heavy = {"torch", "monai", "SimpleITK", "matplotlib", "flwr", "sklearn", "pandas", "scipy", "numpy"}
    assert not heavy & _loaded_after(names)


def test_a_check_of_headers_needs_neither_torch_nor_scikit_learn() -> None:
    loaded = _loaded_after(["wardround.engine.inspection", "wardround.engine.imaging.itk"])
    assert not {"torch", "monai", "sklearn", "matplotlib", "flwr"} & loaded


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_breaks_torchmetrics_is_not_installed(library: str) -> None:
    assert importlib.util.find_spec(library) is None


def _loaded_after(names: list[str]) -> set[str]:
    code = f"import sys; {'; '.join(f'import {name}' for name in names)}; print(' '.join(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.split(".")[0] for name in printed.split()}

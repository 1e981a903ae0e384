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
PROGRAM = {"engine"}
"""What `python -m wardround` may import."""


INNER_ROOMS = {
    "wardround.engine": ROOMS,
    "wardround.site_client": ("agreement", "between", "courier", "worker", "setup"),
    "wardround.federation": ("strategies", "flower"),
    "wardround.federation.flower": ("link", "node"),
    "wardround.aggregator": ("roster", "strategies", "rounds", "showing"),
}
"""By package its folders: each may import itself and those before it."""

FORBIDDEN = {
    "wardround.site_client.courier": (
        "wardround.site_client.worker",
        "wardround.engine.imaging",
        "wardround.engine.store",
    ),
    "wardround.site_client.worker": ("wardround.site_client.courier", "wardround.federation.flower", "httpx"),
    "wardround.federation.flower.node": ("wardround.federation.flower.link",),
}
"""What a room may not import, not even where it would be allowed to by the order: the courier knows no images, the
worker no network, and a site nothing of the aggregator's link."""

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


@pytest.mark.parametrize(("package", "fewest"), list(zip(INNER_ROOMS, (1500, 40, 2, 10, 60), strict=True)))
def test_rooms_import_downwards_only(package: str, fewest: int) -> None:
    rooms, upward, seen = INNER_ROOMS[package], [], 0
    for module in modules():
        here = _room(package, module.name, rooms)
        for name, line in module.imports() if here else ():
            target = _room(package, name, rooms)
            seen += bool(target)
            if target and rooms.index(target) > rooms.index(here):
                upward.append(f"{place(module, line)} imports {name}")
    assert not upward, "\n".join(upward)
    assert seen > fewest


def _room(package: str, name: str, rooms: tuple[str, ...]) -> str:
    """The room of a package in which a dotted name lies; empty for one that lies in none."""
    inside = name.removeprefix(f"{package}.").split(".")[0] if name.startswith(f"{package}.") else ""
    return inside if inside in rooms else ""


@pytest.mark.parametrize("package", INNER_ROOMS)
def test_every_inner_room_has_its_place_in_the_order(package: str) -> None:
    folder = PACKAGE.joinpath(*package.split(".")[1:])
    folders = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(INNER_ROOMS[package])
    assert package == "wardround.engine" or folders == set(INNER_ROOMS[package])


@pytest.mark.parametrize(("room", "strangers"), FORBIDDEN.items())
def test_a_room_stays_away_from_what_is_not_its_own(room: str, strangers: tuple[str, ...]) -> None:
    inside = [module for module in modules() if _is_of(module.name, room)]
    assert len(inside) >= len(list(PACKAGE.joinpath(*room.split(".")[1:]).glob("*.py"))) > 5
    assert sum(1 for module in inside for _ in module.imports()) > 100
    assert _strangers(inside, strangers) == []


def _is_of(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def _strangers(inside: list[Module], strangers: tuple[str, ...]) -> list[str]:
    return [
        f"{place(module, line)} imports {name}"
        for module in inside
        for name, line in module.imports()
        if any(_is_of(name, stranger) for stranger in strangers)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "from wardround.site_client import worker",
        "def f():\n    from ..worker.job import perform",
        "from importlib import import_module\nimport_module('wardround.site_client.worker.job')",
    ],
)
def test_the_check_of_a_room_sees_every_way_in(source: str) -> None:
    path = PACKAGE / "site_client" / "courier" / "example.py"
    module = Module("wardround.site_client.courier.example", path, ast.parse(source))
    assert _strangers([module], FORBIDDEN["wardround.site_client.courier"])
    assert not _strangers([module], FORBIDDEN["wardround.federation.flower.node"])


def test_a_link_that_is_imported_by_a_text_is_seen() -> None:
    source = "import importlib as i\nfrom importlib import import_module\ni.import_module('engine')\n"
    module = Module("example", Path("example.py"), ast.parse(source + "import_module(name='federation.protocol')\n"))
    assert {("engine", 3), ("federation.protocol", 4)} <= set(module.imports())


def test_the_two_ends_do_not_know_each_other_and_the_engine_knows_neither() -> None:
    forbidden = []
    for module in modules():
        here = module.name.split(".")[1:2]
        for target, line in _imports(module):
            if here and target and target[0] in ENDS and target[0] not in ENDS.get(here[0], PROGRAM):
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

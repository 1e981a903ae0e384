"""The wheel carries what the installed package needs, and nothing of the checkout beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

_NEEDED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from a copy of the checkout."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in _NEEDED:
        shutil.copy(CHECKOUT / name, source / name)
    shutil.copytree(CHECKOUT / "wardround", source / "wardround", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(built)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        return wheel.namelist()


def test_every_module_and_every_data_file_is_there(names: list[str]) -> None:
    kinds = {".py", ".yaml", ".html", ".css", ".typed"}
    ours = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "wardround").rglob("*") if path.suffix in kinds}
    assert "wardround/demo/demo_study.yaml" in ours
    assert ours <= set(names)


def test_licence_and_notice_go_along(names: list[str]) -> None:
    assert {Path(name).name for name in names if "dist-info/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_nothing_else_is_installed(names: list[str]) -> None:
    assert {Path(name).parts[0].split("-")[0] for name in names} == {"wardround"}


def test_pins_go_along_with_the_source_and_lie_beside_the_wheel() -> None:
    assert "include constraints.txt" in (CHECKOUT / "MANIFEST.in").read_text()
    assert "cp constraints.txt dist/" in (CHECKOUT / "Makefile").read_text()


def test_the_demo_is_a_command() -> None:
    found = {entry.name: entry.value for entry in entry_points(group="wardround.commands")}
    assert found["demo"] == "wardround.demo.demo:demo"

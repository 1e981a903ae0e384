"""A program that this project starts imports nothing from where it happens to run."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import modules, place
from wardround.engine.basics.children import child_environment, module_command


@pytest.mark.parametrize("path", [None, "", ".", os.pathsep, "here", f".{os.pathsep}/nowhere"], ids=repr)
def test_a_file_of_the_working_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    for folder in (tmp_path, tmp_path / "here"):
        folder.mkdir(exist_ok=True)
        for name in ("json", "typer", "pydantic", "wardround", "sitecustomize"):
            (folder / f"{name}.py").write_text("raise SystemExit('imported ' + __name__)\n")
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    command = module_command("wardround.site_client", "--version")
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wardround ")


def test_absolute_places_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(tmp_path), ""]))
    assert child_environment()["PYTHONPATH"] == str(tmp_path)


def test_a_module_of_a_lab_may_lie_where_it_was_named() -> None:
    assert "-P" in module_command("wardround.aggregator")
    assert "-P" not in module_command("tests.end_to_end.late_courier")


def test_no_other_code_of_the_package_starts_an_interpreter() -> None:
    found = [
        place(module, node.lineno)
        for module in modules()
        if not module.name.endswith("basics.children")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.executable"
    ]
    assert not found

"""The program: help, version, lazily loaded commands, and commands of other packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

import wardround
from tests.support.commands import run_wardround
from wardround.engine.cli import main as module


def test_version() -> None:
    outcome = run_wardround("--version")
    assert (outcome.code, outcome.out) == (0, f"wardround {wardround.__version__}\n")


@pytest.mark.parametrize("name", [*module.COMMANDS])
def test_every_command_is_listed_and_explains_itself(name: str) -> None:
    assert name in run_wardround("--help").out
    outcome = run_wardround(name, "--help")
    assert outcome.code == 0
    assert "Usage: " in outcome.out


def test_an_unknown_command_is_told_with_the_close_ones() -> None:
    outcome = run_wardround("chek")
    assert outcome.code == 2
    names = ", ".join([*module.COMMANDS, "demo"])
    assert outcome.err == (
        f"error: wardround: unknown command 'chek' (got chek; expected one of {names}). "
        "Did you mean 'check'? `wardround --help` lists all.\n"
    )


def test_without_a_command_help_is_shown() -> None:
    assert "check" in run_wardround().out + run_wardround().err


def greet(name: str) -> None:
    """Say hello."""
    print(f"hello {name}")


club = typer.Typer(help="A group.")
club.command("greet")(greet)
club.command("leave")(greet)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Entry:
        def __init__(self, name: str, value: str) -> None:
            self.name, self.value = name, value

    entries = [Entry("greet", f"{__name__}:greet"), Entry("club", f"{__name__}:club"), Entry("check", "json:loads")]
    monkeypatch.setattr(module, "entry_points", lambda group: entries)
    module._plugins.cache_clear()
    yield
    module._plugins.cache_clear()


@pytest.mark.usefixtures("plugins")
def test_another_package_adds_a_command_or_a_group_but_replaces_none() -> None:
    assert run_wardround("greet", "Ada").out == "hello Ada\n"
    assert run_wardround("club", "greet", "Ada").out == "hello Ada\n"
    assert "Say hello" in run_wardround("--help").out
    assert "--manifest" in run_wardround("check", "--help").out


def test_the_installed_program_ends_with_its_code() -> None:
    code = "import sys; from wardround.engine.cli.main import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", code, "parts", "los"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: unknown kind of part (got 'los'; expected one of preprocessing, ")
    assert ended.stderr.endswith("Did you mean 'loss'?\n")


def test_parts_are_listed_with_their_parameters() -> None:
    outcome = run_wardround("parts", "network")
    assert outcome.code == 0
    assert "unet [segmentation, synthesis]: U-Net (Ronneberger et al. 2015" in outcome.out
    assert "filters: default 16" in outcome.out
    assert "loss:" not in outcome.out
    assert "loss:" in run_wardround("parts").out


def test_parts_as_json_carry_their_schemas() -> None:
    parts = {part["name"]: part for part in json.loads(run_wardround("parts", "schedule", "--json").out)["parts"]}
    assert {"constant", "cosine", "poly"} <= parts.keys()
    assert parts["cosine"]["parameters"]["properties"]["warmup"]["default"] == 0.0

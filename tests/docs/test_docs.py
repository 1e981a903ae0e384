"""The documents are true: the reference is the code's, and every file that they link to exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(wardround|site-client|aggregator) ([a-z][a-z-]*)\b", re.MULTILINE)


def test_the_reference_is_made_from_the_code_as_it_is() -> None:
    script = ROOT / "docs" / "build_reference.py"
    finished = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, f"{finished.stderr}Run `python docs/build_reference.py` and commit the page."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not broken


def _subcommands(program: str) -> set[str]:
    if program == "wardround":
        from wardround.engine.cli.main import COMMANDS

        return {*COMMANDS, "demo"}
    import typer

    from wardround.aggregator.cli import app as aggregator
    from wardround.site_client.cli import app as site_client

    group = typer.main.get_command(aggregator if program == "aggregator" else site_client)
    return set(getattr(group, "commands"))  # noqa: B009


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_exist(page: Path) -> None:
    blocks = "\n".join(FENCED.findall(page.read_text()))
    unknown = [found for found in COMMAND.findall(blocks) if found[1] not in _subcommands(found[0])]
    assert not unknown

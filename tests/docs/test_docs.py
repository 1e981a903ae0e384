"""The documents are true: the reference is the code's, and every file that they link to exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wardround import __version__

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
ROLES = ("researcher", "hospital-it", "coordinator", "developer")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(wardround|site-client|aggregator) ([a-z][a-z-]*)\b", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_holds_two_versions_of_itself(page: Path) -> None:
    """What a merge leaves behind where two changes met."""
    assert not re.findall(r"^(?:<{7} .*|={7}|>{7} .*)$", page.read_text(), re.MULTILINE)


def test_the_reference_is_made_from_the_code_as_it_is() -> None:
    script = ROOT / "docs" / "build_reference.py"
    finished = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, f"{finished.stderr}Run `python docs/build_reference.py` and commit the page."


@pytest.mark.parametrize(
    "page", ["README", "docs/researcher", "docs/hospital-it", "docs/coordinator", "docs/developer"]
)
def test_a_page_begins_with_how_to_get_it(page: str) -> None:
    text = (ROOT / f"{page}.md").read_text()
    heading = text.index("\n## ")
    assert text[heading:].startswith("\n## Getting it\n")
    section = text[heading : text.index("\n## ", heading + 1)]
    for words in ("python3.11 -m venv", "-c constraints.txt", "installing.md", " -h` says"):
        assert words in section, words


def test_the_wheel_that_pages_name_is_that_of_this_release() -> None:
    named = {found for page in PAGES for found in re.findall(r"wardround-([0-9.]+)-py3", page.read_text())}
    assert named == {__version__}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not broken


def test_the_architecture_names_modules_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    modules = [path.as_posix() for folder in ("wardround", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(named) > 10
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in modules)] == []


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

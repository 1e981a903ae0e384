"""Commands that pages and messages tell people to type can be typed: each command and each option exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer

from wardround.aggregator.cli import app as aggregator
from wardround.engine.cli.main import app as wardround
from wardround.engine.cli.manners import equip
from wardround.site_client.cli import app as site_client

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
FENCED = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = r"(?:wardround|site-client|aggregator) "
LINE = re.compile(rf"^(?:\$ )?({PROGRAM}[^\n#]*)", re.MULTILINE)
INLINE = re.compile(rf"`({PROGRAM}[^`]*)`")
OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z-]*)(?![\w…])")


@cache
def _groups() -> dict[str, click.Command]:
    apps = {"wardround": wardround, "site-client": site_client, "aggregator": aggregator}
    return {name: equip(typer.main.get_command(app), {}) for name, app in apps.items()}


def _strange(line: str) -> list[str]:
    """What of a command line nobody could type."""
    words = re.sub(r"\|[\w-]+", "", line).split()  # of `store list|prune|verify` the first
    command, path = _groups()[words[0]], words[1:]
    while path and isinstance(command, click.Group) and not path[0].startswith(("-", "{", "X")):
        found = command.get_command(click.Context(command), path.pop(0))
        if found is None:
            return [line]
        command = found
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    return [f"{line}: {option}" for option in OPTION.findall(" ".join(path)) if option not in {*known, "-h", "--help"}]


def _texts(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_tells_commands_that_can_be_typed(page: Path) -> None:
    text = page.read_text()
    lines = [line for block in FENCED.findall(text) for line in LINE.findall(block)]
    lines += [" ".join(line.split()) for line in INLINE.findall(FENCED.sub("", text))]
    assert [found for line in lines for found in _strange(line)] == []


def test_messages_tell_commands_that_can_be_typed() -> None:
    sources = sorted((ROOT / "wardround").rglob("*.py"))
    lines = sorted({line for source in sources for text in _texts(source) for line in INLINE.findall(text)})
    assert len(lines) > 30
    assert [found for line in lines for found in _strange(line)] == []

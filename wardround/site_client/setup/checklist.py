"""How `site-client check` shows what it looked at: a line each, green or red where there is a terminal for it."""

from __future__ import annotations

import sys
from dataclasses import asdict

from pydantic import JsonValue

from wardround.engine.basics.printable import printable, say
from wardround.engine.cli.telling import described
from wardround.site_client.setup.preflight import Checked, Preflight


def show(flight: Preflight) -> None:
    """Print a line for each thing that was looked at, then the notes. Problems with their remedies follow as errors."""
    if sys.stdout.isatty():
        _show_in_colour(flight)
    else:
        say(*(line(checked) for checked in flight.checks))
    say(*flight.notes)


def line(checked: Checked) -> str:
    """One line: `ok` or `BAD`, what was looked at, and what was found."""
    return f"{'ok ' if checked.ok else 'BAD'}  {checked.name}: {checked.said}"


def as_json(flight: Preflight) -> dict[str, JsonValue]:
    """For programs: `checks` (name, ok, said), `problems` as every command gives them, `notes`."""
    return {
        "checks": [asdict(checked) for checked in flight.checks],
        "problems": described(flight.findings.problems),
        "notes": [*flight.notes],
    }


def _show_in_colour(flight: Preflight) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for checked in flight.checks:
        console.print(Text(printable(line(checked)), style="green" if checked.ok else "bold red"))

"""Problems on a terminal or in a log: those of one kind together, the first of them in full."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.grouping import groups, told_together
from wardround.engine.basics.printable import complain, printable, say_json
from wardround.engine.basics.problems import Problem
from wardround.engine.cli.tracebacks import with_tracebacks

if TYPE_CHECKING:
    from pydantic import JsonValue


def show_problems(problems: Sequence[Problem], *, as_json: bool, offers_json: bool = True) -> None:
    """Print problems: all as one JSON object on standard output, or as text, grouped by kind, on standard error.

    `offers_json` is whether the command has a `--json` that would list those that are only counted.
    """
    if as_json:
        say_json({"problems": described(problems)})
        return
    together, listing = list(groups(with_tracebacks(problems))), "; `--json` lists all" if offers_json else ""
    if sys.stderr.isatty():
        _show_in_colour(together, listing)
        return
    for group in together:
        head, *rest = told_together(group, listing)
        complain(f"error: {head}", *rest)


def described(problems: Sequence[Problem]) -> list[JsonValue]:
    """Problems for programs: `what`, `where`, `got`, `expected`, `remedy`, and what else there is of some."""
    told = [asdict(problem) for problem in with_tracebacks(problems)]
    return [{name: value for name, value in each.items() if name != "traceback"} for each in told]


def _show_in_colour(together: Sequence[tuple[Problem, ...]], listing: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console, count = Console(stderr=True), sum(map(len, together))
    console.print(Text("1 problem" if count == 1 else f"{count:,} problems", style="bold red"))
    for group in together:
        head, *rest = told_together(group, listing)
        shown = _coloured(group[0], head) if len(group) == 1 else Text(head, style="bold")
        console.print(Text.assemble(("• ", "red"), shown))
        for line in rest:
            console.print(Text(printable(line)))


def _coloured(problem: Problem, line: str) -> Any:
    from rich.text import Text

    text = Text(line)
    place = len(printable(problem.where))
    text.stylize("cyan", 0, place)
    text.stylize("bold", place, place + 2 + len(printable(problem.what)))
    return text

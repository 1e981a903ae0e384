"""`wardround collect`: finished runs beside each other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say, say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options


def collect(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or of splits of runs.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The table to write: a file that ends in .csv or .html.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison, or the problems, as JSON.")] = False,
) -> None:
    """Compare finished runs: settings in which they differ, scores with their spread and 95 % confidence interval.

    Runs must have been scored with the same cases, splits and metrics; others are refused. They are in the order of
    their validation cases, so that test cases choose nothing.

    \b
    Examples:
      wardround collect runs/001 runs/002
      wardround collect runs/* --out comparison.html
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.experiments.collecting import collect as collected
    from wardround.engine.report.comparison import (
        comparison_csv,
        comparison_json,
        comparison_text,
        write_comparison,
    )

    options.require_all(partial(_require_out, out), partial(_require_several, runs))
    comparison = collected(runs)
    if out is not None and out.suffix.lower() == ".csv":
        write_atomic(out, comparison_csv(comparison))
    elif out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_comparison(comparison, out)
    if as_json:
        say_json(comparison_json(comparison))
        return
    for sentence in comparison.notes:
        note(f"note: {sentence}")
    say_text(comparison_text(comparison))
    if out is not None:
        say(f"wrote {out}")


def _require_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() not in (".csv", ".html"):
        raise InputError.one(
            "nothing tells what is to be written",
            where="--out",
            got=str(out),
            expected="a name that ends in .csv or .html",
            remedy="Write for example `--out comparison.html`",
        )
    options.require_new_file(out, "--out")


def _require_several(runs: list[Path]) -> None:
    if len(runs) < 2:
        remedy = "Name another run beside it; its own page is in its folder"
        raise InputError.one("one run alone is no comparison", where="RUNS", got=str(runs[0]), remedy=remedy)

"""What commands share that run a few steps on weights of which nothing is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.loudness import note
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.experiments.workbench import Workbench

StudyFile = Annotated[Path, typer.Argument(help="The study file.", show_default=False)]
Manifest = Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)]
Work = Annotated[Path | None, typer.Option(help="Where preprocessed cases are kept; default: nowhere.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")]


@contextmanager
def throw_away(
    study: Path, manifest: Path, work: Path | None, device: str, threads: int | None, wrong: InputError | None
) -> Iterator[Workbench]:
    """The prepared cases of the first fold. Raises `InputError` with all that is wrong with options, study and
    table."""
    from wardround.engine.experiments.workbench import Workbench
    from wardround.engine.inspection.preflight import study_for

    def tell() -> None:
        if wrong is not None:
            raise wrong

    options.require_all(
        partial(study_for, study, manifest),
        partial(options.require_table, manifest),
        partial(options.require_device, device),
        partial(options.take_threads, threads),
        partial(options.require_folder, work, "--work", "work"),
        tell,
    )
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        loaded = study_for(study, manifest)
        if loaded.training.start is not None:
            note("note: training.start: nothing is known of that file here, so the weights begin at random")
        yield Workbench.open(loaded, manifest, work or Path(folder), device=device, threads=threads)


def within(option: str, value: int, least: int, most: int) -> InputError | None:
    """What is wrong with the number that an option gives; None for nothing."""
    if least <= value <= most:
        return None
    what, remedy = "this number cannot be used", f"Leave {option} out, or give a number of that range"
    return InputError.one(what, where=option, got=f"{value:,}", expected=f"{least:,} to {most:,}", remedy=remedy)

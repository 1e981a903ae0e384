"""`wardround store`: what preprocessed cases are kept, and whether they are whole."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sizes import parse_size, shown_size

if TYPE_CHECKING:
    from wardround.engine.store import CaseStore, StoreEntry

Folder = Annotated[Path, typer.Argument(help="The store, or the work or run folder that holds it.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result, or the problems, as JSON.")]

store = typer.Typer(no_args_is_help=True, help="List, prune and verify the preprocessed cases of a work folder.")


@store.command("list")
def list_(folder: Folder, as_json: AsJson = False) -> None:
    """Every stored case: the first is the one that was used longest ago."""
    _show(_open(folder).list(), "kept", as_json=as_json)


@store.command()
def prune(
    folder: Folder,
    keep: Annotated[str, typer.Option(help="How much may stay, such as `200 GB`.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Remove the cases used longest ago, except those that a running process uses. They are made again when needed."""
    try:
        limit = parse_size(keep)
    except ValueError:
        raise InputError.one(
            "this is no size",
            where="--keep",
            got=repr(keep),
            expected="a number with MB, GB or TB",
            remedy='Write for example `--keep "200 GB"`',
        ) from None
    _show(_open(folder).prune(limit), "removed", as_json=as_json)


@store.command()
def verify(folder: Folder, as_json: AsJson = False) -> None:
    """Read every byte of every case. Damaged ones are removed, and made again when they are needed; exit code 3."""
    from wardround.engine.basics.progress import progress
    from wardround.engine.cli.runner import ExitCode

    found = _open(folder)
    with progress("Verifying", len(found.list())) as shown:
        damaged = found.verify(shown)
    _show(damaged, "damaged and removed", as_json=as_json)
    if damaged:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _open(folder: Path) -> CaseStore:
    from wardround.engine.store import CaseStore

    for root in (folder / "store", folder):
        if (root / "cases").is_dir():
            return CaseStore(root)
    raise InputError.one(
        "there is no store",
        where=str(folder),
        got="no folder `cases`",
        expected="a folder with preprocessed cases",
        remedy="Name the `work` folder of site.yaml, or that of a run",
    )


def _show(entries: tuple[StoreEntry, ...], what: str, *, as_json: bool) -> None:
    total = sum(entry.bytes for entry in entries)
    if as_json:
        say_json({"cases": [asdict(entry) for entry in entries], "bytes": total, "what": what})
        return
    lines = [f"{entry.key[:12]}  {_day(entry.used)}  {shown_size(entry.bytes):>8}  {entry.study}" for entry in entries]
    say_text("\n".join([*lines, f"{len(entries)} cases {what}, {shown_size(total)}"]))


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")

"""`wardround split`: a table with a column that says who is trained, validated and tested with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.loudness import note
from wardround.engine.basics.printable import say, say_json
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.cohort.dividing import Divisible


def split(
    manifest: Annotated[Path, typer.Argument(help="The CSV with one row per case.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="The table to write; with --folds the folder of the tables.", show_default=False)
    ],
    test: Annotated[
        float | None, typer.Option(help="The share of rows to test with; 0.2 by default, 0 for no test set.")
    ] = None,
    validation: Annotated[float, typer.Option(help="The share to choose the best weights by.")] = 0.2,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Make so many tables; every patient is tested with in one.", show_default=False, min=2, max=50
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="The column whose mix is to be alike in all sets; default: ValueToPredict.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw: the same seed and patients give the same sets.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sets, or the problems, as JSON.")] = False,
) -> None:
    """Write a column Split (train, validation, test) into a table, or a table for each fold. Nothing is replaced.

    Rows of one patient are in one set. Classes are in all sets as often as in the table; of numbers with more than ten
    values, the quarters are. Nobody needs this before `fit`, which makes nested folds by itself: it is for sets that
    are to be seen, changed or given to another program.

    \b
    Examples:
      wardround split data.csv --out split.csv
      wardround split data.csv --out split.csv --test 0.3 --validation 0.1 --by sex
      wardround split data.csv --out folds --folds 5
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.cohort.dividing import Shares, divide, divided_table, read_divisible, told_sets

    options.require_all(
        partial(options.require_table, manifest),
        partial(_require_one_of, test, folds),
        *(partial(options.require_new_file, file, "--out") for file in _files(out, folds)),
    )
    divisible = read_divisible(manifest, by)
    _tell_patients(divisible)
    found = divide(divisible, Shares(0.2 if test is None else test, validation, folds or 1, seed))
    files = _files(out, folds)
    for file, sets in zip(files, found, strict=True):
        write_atomic(file, divided_table(divisible, sets, file.absolute().parent))
    told = [dict(told_sets(divisible, sets)) for sets in found]
    if as_json:
        say_json({"files": [{"file": str(file), **sets} for file, sets in zip(files, told, strict=True)]})
        return
    for file, words_of in zip(files, told, strict=True):
        say(f"wrote {file}")
        for name, words in words_of.items():
            say(f"  {name}: {words}")


def _files(out: Path, folds: int | None) -> Sequence[Path]:
    return [out] if folds is None else [out / f"fold-{fold}.csv" for fold in range(folds)]


def _require_one_of(test: float | None, folds: int | None) -> None:
    from wardround.engine.basics.problems import InputError

    if test is not None and folds is not None:
        raise InputError.one(
            "the number of folds says already how many are tested with",
            where="--test",
            got=f"--test {test:g} beside --folds {folds}",
            expected="one of the two",
            remedy="Leave --test out",
        )


def _tell_patients(divisible: Divisible) -> None:
    """Say where rows count as patients, and what speaks against that."""
    if not divisible.told.stated:
        likely = f"; {', '.join(divisible.told.likely)} may tell them apart" if divisible.told.likely else ""
        note(f"note: without a column PatientID each row counts as a patient of its own{likely}")

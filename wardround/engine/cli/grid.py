"""`wardround grid`: a study for each combination of settings."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardround.engine.basics.printable import say, say_json
from wardround.engine.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardround.engine.study.grid import Variant


def grid(
    study: Annotated[Path, typer.Argument(help="The study file.", show_default=False)],
    settings: Annotated[
        list[str],
        typer.Option("--set", help="A setting and its values; once for each setting.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the studies and index.csv.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the studies, or the problems, as JSON.")] = False,
) -> None:
    """Write a study for each combination of values, and a table of them. Each is checked first; nothing is replaced.

    A setting is named as in messages: keys with dots between them, a part of a list by its name. Values have commas
    between them; a list is a value in square brackets.

    \b
    Examples:
      wardround grid study.yaml --set training.optimizer.learning_rate=1e-3,1e-4 --set model.filters=16,32 --out studies
      wardround grid study.yaml --set patches.size=[32,32,32],[48,48,48] --out studies
      wardround grid study.yaml --set augmentation.noise.probability=0,0.2 --set training.loss=dice_ce,tversky --out s
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.study.grid import INDEX, axes_of, grid_of

    options.require_all(
        partial(axes_of, settings),
        partial(options.require_folder, out, "--out", "studies"),
    )
    variants = grid_of(study, axes_of(settings))
    names = [*(variant.name for variant in variants), INDEX]
    options.require_all(*(partial(options.require_new_file, out / name, "--out") for name in names))
    for variant in variants:
        write_atomic(out / variant.name, variant.text.encode())
    write_atomic(out / INDEX, _index(variants))
    if as_json:
        told = [{"file": str(out / each.name), "digest": each.study.digest, **each.settings} for each in variants]
        say_json({"studies": told})
        return
    for variant in variants:
        say(f"wrote {out / variant.name}")
    say(f"wrote {out / INDEX}")
    say(f"next: wardround fit {out / variants[0].name} --manifest data.csv --out runs/001")
    say("then: wardround collect runs/* --out comparison.html")


def _index(variants: Sequence[Variant]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["File", "Study", "Digest", *variants[0].settings])
    for each in variants:
        writer.writerow([each.name, each.study.study, each.study.digest, *each.settings.values()])
    return text.getvalue().encode()

"""`wardround import-nnunet`: a data set of nnU-Net's or the Decathlon's form becomes a manifest and a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.printable import complain, say, say_json


def import_nnunet(
    folder: Annotated[Path, typer.Argument(help="The data set, which holds dataset.json.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for what is written; default: the data set's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a manifest and a commented study for a data set of nnU-Net's or the Medical Segmentation Decathlon's form.

    dataset.json names channels and labels, regions that overlap and voxels to ignore; images lie in imagesTr, masks in
    labelsTr. Cases of imagesTs are listed in a table of their own. No image is copied: tables hold relative paths.

    \b
    Example:
      wardround import-nnunet Dataset004_Hippocampus --out study
    """
    from wardround.engine.interop import import_nnunet as write

    made = write(folder, out)
    if as_json:
        files = [str(path) for path in made.files]
        say_json({"files": files, "training": made.training, "test": made.test, "notes": [*made.notes]})
        return
    for note in made.notes:
        complain(f"note: {note}")
    for path in made.files:
        say(f"wrote {path}")
    study, manifest = made.files[-1], made.files[0]
    say(f"{made.training} cases to learn from, {made.test} others")
    say(f"next: wardround check {study} --manifest {manifest} --full")

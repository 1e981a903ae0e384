"""`wardround import-npz`: the images of one npz archive become files and a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.printable import complain, say, say_json


def import_npz(
    archive: Annotated[Path, typer.Argument(help="The npz file, with train_images and so on.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the images and the table.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write the images of an npz archive, as MedMNIST hands them out, as files, and a manifest with their labels.

    The archive has arrays train_images and train_labels, and the same for val and test, which become the sets of the
    column Split. Flat images are written as PNG, volumes as NIfTI. Several labels of an image become columns
    ValueToPredict_0 and on. Nothing is replaced, and after Ctrl-C nothing is left.

    \b
    Examples:
      wardround import-npz adrenalmnist3d_64.npz --out adrenal
      wardround check study.yaml --manifest adrenal/data.csv
    """
    from wardround.engine.basics.progress import progress
    from wardround.engine.interop.archives import case_count
    from wardround.engine.interop.archives import import_npz as write

    with progress("Unpacking", case_count(archive)) as shown:
        made = write(archive, out, shown)
    if as_json:
        say_json({"manifest": str(made.manifest), "cases": dict(made.cases), "notes": [*made.notes]})
        return
    for note in made.notes:
        complain(f"note: {note}")
    say(f"wrote {made.manifest}")
    say(", ".join(f"{count} {name}" for name, count in made.cases.items()))
    say(f"next: wardround check study.yaml --manifest {made.manifest}")

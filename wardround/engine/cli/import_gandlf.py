"""`wardround import-gandlf`: a configuration of GaNDLF becomes a study, its tables a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.printable import complain, say, say_json


def import_gandlf(
    config: Annotated[Path, typer.Argument(help="The configuration, a YAML file.", show_default=False)],
    manifest: Annotated[Path | None, typer.Option(help="Its table with all cases.")] = None,
    train: Annotated[Path | None, typer.Option(help="Its table with the cases to learn from.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Its table with the cases to choose by.")] = None,
    test: Annotated[Path | None, typer.Option(help="Its table with the cases to test with.")] = None,
    out: Annotated[Path, typer.Option(help="The study that is written.")] = Path("study.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a commented study for a configuration of GaNDLF 0.1, and say what is otherwise.

    Each note says of a key what the study has otherwise, or what GaNDLF 0.1.5 makes of it without a word. A table can
    be used as it is. Tables of sets are joined into data.csv beside the study, with a column Split. No image is opened.

    \b
    Example:
      wardround import-gandlf config.yaml --manifest train.csv --out study.yaml
    """
    from wardround.engine.interop.gandlf.importing import import_gandlf as write
    from wardround.engine.interop.gandlf.tables import named_sets

    made = write(config, named_sets(manifest, train, validation, test), out)
    if as_json:
        notes = [{"key": each.key, "about": each.about.name.lower(), "text": each.text} for each in made.notes]
        files = [str(path) for path in made.files]
        say_json({"files": files, "manifest": str(made.manifest) if made.manifest else None, "notes": notes})
        return
    for note in made.notes:
        complain(f"note: {note.sentence}")
    for path in made.files:
        say(f"wrote {path}")
    say(f"next: wardround check {made.files[0]} --manifest {made.manifest or 'data.csv'} --full")

"""`wardround new-part`: a package for a part of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.printable import say, say_json
from wardround.engine.scaffold.package import SCAFFOLDED


def new_part(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SCAFFOLDED)}.")],
    name: Annotated[str, typer.Argument(help="Its name in a study: small letters, digits and _.")],
    out: Annotated[Path | None, typer.Option(help="The new folder; default: wardround-NAME, here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, or the problems, as JSON.")] = False,
) -> None:
    """Write a package with a new part that works at once: typed parameters, an implementation, and a test of it.

    Then change it into what you need; docs/developer.md says what holds for each kind.

    \b
    Example:
      wardround new-part loss focal_loss
    """
    from wardround.engine.scaffold import new_part as write

    made = write(kind, name, out)
    if as_json:
        say_json({"folder": str(made.folder), "kind": made.kind, "name": made.name, "use": made.use})
        return
    say(f"{made.folder}: a package with the {made.kind} {made.name}")
    say(f"  install it    pip install --no-deps --no-build-isolation -e {made.folder}")
    say(f"  test it       python -m pytest {made.folder}/tests   (needs `pip install pytest`)")
    say(f"  name it       {made.use}   (in a study)")

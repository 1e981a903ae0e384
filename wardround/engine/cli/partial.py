"""Work on many cases of which some cannot be done: the others are, and what was wrong comes last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from wardround.engine.basics.printable import complain
from wardround.engine.basics.problems import InputError, Problem

if TYPE_CHECKING:
    from wardround.engine.inspection import Sound


def tell_left_out(sound: Sound) -> None:
    """Say before the work begins that some cases will not be part of it."""
    if sound.left_out:
        count = sound.left_out + len(sound.cohort.cases)
        complain(f"note: {sound.left_out} of {count} cases cannot be used and are left out; the reasons come last")


def end_with(problems: Sequence[Problem], *, as_json: bool) -> None:
    """End the command as one with bad input, if there are problems; with `as_json` they have been printed."""
    if problems and as_json:
        raise typer.Exit(2)
    if problems:
        raise InputError(problems)

"""Run the programs as people do, inside the test's process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

import typer

from wardround.engine.cli.main import EXAMPLES
from wardround.engine.cli.main import app as wardround_app
from wardround.engine.cli.manners import Examples
from wardround.engine.cli.runner import run


@dataclass(frozen=True)
class Outcome:
    """Exit code and everything that was printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def run_wardround(*words: object, app: typer.Typer = wardround_app, examples: Examples = EXAMPLES) -> Outcome:
    """Run `wardround` (or another program) with these words on its command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(app, [str(word) for word in words], examples)
    return Outcome(code, out.getvalue(), err.getvalue())

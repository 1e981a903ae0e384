"""`wardround profile`: where the time of a training step goes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.printable import say_text
from wardround.engine.cli import options
from wardround.engine.cli.throwaway import Device, Manifest, StudyFile, Threads, Work, throw_away, within

_MOST_STEPS = 100


def profile(
    study: StudyFile,
    manifest: Manifest,
    out: Annotated[Path, typer.Option(help="The trace, for chrome://tracing or ui.perfetto.dev.")] = Path("trace.json"),
    steps: Annotated[int, typer.Option(help="Steps that are recorded, after one that makes everything ready.")] = 3,
    work: Work = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Record some steps on throw-away weights, and list the operations that take most of the time.

    \b
    Examples:
      wardround profile study.yaml --manifest data.csv --out trace.json
    """
    options.require_all(partial(options.require_new_file, out, "--out"))
    with throw_away(study, manifest, work, device, threads, within("--steps", steps, 1, _MOST_STEPS)) as bench:
        from wardround.engine.experiments.tracing import trace_steps

        say_text(trace_steps(bench, steps, out))
    say_text(f"the whole trace is in {out}")

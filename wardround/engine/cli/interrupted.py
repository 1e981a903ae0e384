"""How a command ends that was interrupted and can go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from wardround.engine.basics.printable import complain


@contextmanager
def resumable() -> Iterator[None]:
    """End with exit code 130 and the way on when Ctrl-C or SIGTERM comes while the block trains."""
    from wardround.engine.basics.signals import interrupts
    from wardround.engine.cli.runner import ExitCode
    from wardround.engine.training import Halted

    try:
        with interrupts():
            yield
    except Halted as halted:
        complain(f"stopped after {halted.step} steps; the same command goes on there")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except KeyboardInterrupt:
        complain("the same command goes on, and repeats nothing that is finished")
        raise typer.Exit(ExitCode.INTERRUPTED) from None

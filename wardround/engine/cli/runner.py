"""Run a command line application so that people get clear errors and scripts get stable exit codes.

Every program of this project ends the same way::

    app = typer.Typer(...)

    def main() -> int:
        return run(app)

with `main` named as the program's entry point, whose wrapper hands the number to `sys.exit`. A command raises
`InputError` for bad input and `typer.Exit(3)` when it was refused or stopped before it was complete. A command with a
`--json` option gets its errors as JSON too. Tests call `run(app, ["check", "study.yaml"])` and compare the number.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import IntEnum
from typing import Any

import click
import typer

from wardround.engine.basics.faults import disk_problem, memory_or_device_problem
from wardround.engine.basics.printable import complain, guard_tracebacks, printable, say_json
from wardround.engine.basics.problems import InputError, Problem


class ExitCode(IntEnum):
    """What a program tells the shell."""

    OK = 0
    INTERNAL = 1
    BAD_INPUT = 2
    INCOMPLETE = 3
    MACHINE = 75
    INTERRUPTED = 130


_NOBODY = Problem(
    "a question was asked and nobody answered, so nothing was done",
    remedy="Where no person types, give the answers as options; `--help` names them",
)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run `app` on `arguments` (default: those of the process) and return its exit code.

    Bad input, and a disk or rights that are in the way, are printed without a traceback and give 2, memory that is used
    up and a device that failed 75, an interruption 130. Any other exception is a defect of the program and propagates:
    its traceback is printed, the exit code is 1.
    """
    if arguments is None:
        guard_tracebacks()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _exit_code(typer.main.get_command(app).main(words, standalone_mode=False))
    except InputError as error:
        show_problems(error.problems, as_json="--json" in words)
        return ExitCode.BAD_INPUT
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            show_problems([_NOBODY], as_json="--json" in words)
            return ExitCode.BAD_INPUT
        return _exit_code(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        return _exit_code(ExitCode.INTERRUPTED)
    except Exception as error:
        return _fault(error, as_json="--json" in words)


def _fault(error: Exception, *, as_json: bool) -> int:
    """Tell a fault of the machine in plain words; anything else is a defect and goes on."""
    code, problem = ExitCode.MACHINE, memory_or_device_problem(error)
    if problem is None and isinstance(error, OSError):
        code, problem = ExitCode.BAD_INPUT, disk_problem(error)
    if problem is None:
        raise error
    show_problems([problem], as_json=as_json)
    return code


def show_problems(problems: Sequence[Problem], *, as_json: bool) -> None:
    """Print problems: as one JSON object on standard output, or as text on standard error."""
    if as_json:
        say_json({"problems": [asdict(problem) for problem in problems]})
    elif sys.stderr.isatty():
        _show_in_colour(problems)
    else:
        complain(*(f"error: {problem.render()}" for problem in problems))


def _exit_code(result: Any) -> int:
    # Outside its standalone mode click returns the code of `typer.Exit`, which typer makes of an interruption too.
    code = int(result) if isinstance(result, int) else ExitCode.OK
    if code == ExitCode.INTERRUPTED:
        complain("interrupted")
    return code


def _show_in_colour(problems: Sequence[Problem]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    console.print(Text(count, style="bold red"))
    for problem in problems:
        console.print(Text.assemble(("• ", "red"), _coloured(problem)))


def _coloured(problem: Problem) -> Any:
    from rich.text import Text

    text = Text(problem.render())
    place = len(printable(problem.where))
    text.stylize("cyan", 0, place)
    text.stylize("bold", place, place + 2 + len(printable(problem.what)))
    return text

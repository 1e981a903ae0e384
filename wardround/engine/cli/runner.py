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

import shlex
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

import click
import typer

from wardround.engine.basics.faults import disk_problem, memory_or_device_problem
from wardround.engine.basics.loudness import as_usual
from wardround.engine.basics.printable import complain, guard_tracebacks
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cli.manners import NO_EXAMPLES, Examples, equip, with_exit_codes
from wardround.engine.cli.telling import show_problems
from wardround.engine.cli.usage import usage_problem


class ExitCode(IntEnum):
    """What a program tells the shell."""

    OK = 0
    INTERNAL = 1
    BAD_INPUT = 2
    INCOMPLETE = 3
    MACHINE = 75
    INTERRUPTED = 130


_UNSUPPORTED = frozenset({"win32", "cygwin", "msys"})
_NO_SUCH_SYSTEM = Problem(
    "Wardround does not run on Windows",
    expected="Linux, on which it is tested; macOS has what it needs and is not tested",
    remedy="On a Windows machine use a Linux virtual machine, WSL 2 or a container",
)
_RESUMED = frozenset({"fit", "--config"})
"""What goes on where it was interrupted; other commands begin again."""
_NOBODY = Problem(
    "a question was asked and nobody answered, so nothing was done",
    got="no answer",
    expected="somebody who types it",
    remedy="Where no person types, give the answers as options; `--help` names them",
)


def run(app: typer.Typer, arguments: Sequence[str] | None = None, examples: Examples = NO_EXAMPLES) -> int:
    """Run `app` on `arguments` (default: those of the process) and return its exit code.

    Every command gets `-h`, `--quiet`, `--verbose`, and the command lines that `examples` has under its name.

    Bad input, and a disk or rights that are in the way, are printed without a traceback and give 2, memory that is used
    up and a device that failed 75, an interruption 130. Any other exception is a defect of the program and propagates:
    its traceback is printed, the exit code is 1.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.platform in _UNSUPPORTED:
        show_problems([_NO_SUCH_SYSTEM], as_json="--json" in words)
        return ExitCode.BAD_INPUT
    if arguments is None:
        guard_tracebacks()
    command = with_exit_codes(equip(typer.main.get_command(app), examples))
    as_usual()
    try:
        return _exit_code(command.main(words, standalone_mode=False), words)
    except InputError as error:
        as_json = "--json" in words
        show_problems(error.problems, as_json=as_json, offers_json=not as_json and _offers_json(command, words))
        return ExitCode.BAD_INPUT
    except click.UsageError as error:
        return _refused(error, as_json="--json" in words)
    except (click.Abort, KeyboardInterrupt) as error:
        return _interrupted(error, words)
    except Exception as error:
        return _fault(error, as_json="--json" in words)


def _refused(error: click.UsageError, *, as_json: bool) -> int:
    """Tell why a command line cannot be understood; a group without a command shows its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        show_problems([usage_problem(error)], as_json=as_json)
    return ExitCode.BAD_INPUT


def _interrupted(error: BaseException, words: Sequence[str]) -> int:
    """An interruption by a person; or a question that nobody was there to answer."""
    if isinstance(error, click.Abort) and isinstance(error.__context__, EOFError):
        show_problems([_NOBODY], as_json="--json" in words)
        return ExitCode.BAD_INPUT
    return _exit_code(ExitCode.INTERRUPTED, words)


def _offers_json(command: click.Command, words: Sequence[str]) -> bool:
    """Whether the command that these words name can tell its problems as JSON."""
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        command = _named(command, word) or command
    return any("--json" in param.opts for param in command.params)


def _named(group: click.Group, word: str) -> click.Command | None:
    try:
        return group.get_command(click.Context(group), word)
    except InputError:  # an unknown command, which is what the problem is about
        return None


def _fault(error: Exception, *, as_json: bool) -> int:
    """Tell a fault of the machine in plain words; anything else is a defect and goes on."""
    code, problem = ExitCode.MACHINE, memory_or_device_problem(error)
    if problem is None and isinstance(error, OSError):
        code, problem = ExitCode.BAD_INPUT, disk_problem(error)
    if problem is None:
        raise error
    show_problems([problem], as_json=as_json)
    return code


def _exit_code(result: Any, words: Sequence[str]) -> int:
    # Outside its standalone mode click returns the code of `typer.Exit`, which typer makes of an interruption too.
    code = int(result) if isinstance(result, int) else ExitCode.OK
    if code == ExitCode.INTERRUPTED:
        how = "To go on" if words and words[0] in _RESUMED else "To begin again"
        complain("interrupted", f"{how}: {_command(words)}")
    return code


def _command(words: Sequence[str]) -> str:
    """The very command that was typed, ready to be pasted."""
    called = Path(sys.argv[0]).name if sys.argv else ""
    if called == "__main__.py":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        called = f"python -m {str(getattr(spec, 'name', '')).removesuffix('.__main__')}"
    return f"{called} {shlex.join(words)}".strip()

"""What all commands of all programs share: `-h`, `--quiet`, `--verbose`, examples in their help, and exit codes in the
program's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from wardround.engine.basics.loudness import be_quiet, be_verbose

Examples = Mapping[str, tuple[str, ...]]
NO_EXAMPLES: Examples = MappingProxyType({})
EXIT_CODES = (
    "0 done; 1 a defect of the program; 2 a file, an option or the machine is in the way, and it says what to do; "
    "3 refused, or stopped before it was complete; 75 memory or the device failed; 130 interrupted, and the same "
    "command goes on"
)
_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_QUIET, _VERBOSE = "--quiet", "--verbose"


def equip(command: click.Command, examples: Examples, path: str = "") -> click.Command:
    """The command with what all share; so are those of its subcommands that are loaded. `path` leads to it.

    `examples` are command lines by the commands' names; a command may have some in its own help instead.
    """
    _with_examples(command, examples.get(path, ()))
    if not any(_QUIET in param.opts for param in command.params):
        command.params.extend(_loudness())
    if not path:
        command.context_settings = {**_HELP_NAMES, **command.context_settings}
    for name, each in getattr(command, "commands", {}).items():
        equip(each, examples, f"{path} {name}".strip())
    return command


def with_exit_codes(command: click.Command) -> click.Command:
    """A program whose help says what its exit codes mean."""
    command.epilog = f"Exit codes: {EXIT_CODES}."
    return command


def _with_examples(command: click.Command, lines: tuple[str, ...]) -> None:
    if lines and "Example" not in (command.help or ""):
        title = "Example:" if len(lines) == 1 else "Examples:"
        command.help = "\n".join([f"{(command.help or '').rstrip()}\n\n\b", title, *(f"  {line}" for line in lines)])


def _loudness() -> tuple[click.Option, click.Option]:
    return (
        _flag("-q", _QUIET, "Say results and errors only: no notes, no progress.", be_quiet),
        _flag("-v", _VERBOSE, "Say every step as well.", be_verbose),
    )


def _flag(short: str, long: str, told: str, act: object) -> click.Option:
    def called(context: click.Context, param: click.Parameter, value: bool) -> None:
        if value and callable(act):
            act()

    return click.Option([short, long], is_flag=True, expose_value=False, is_eager=True, callback=called, help=told)

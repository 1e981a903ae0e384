"""`wardround`: the program of the local engine. Commands are imported when they are named, not before.

To add a command, write a function with typer's annotations in a module of this folder, import heavy libraries inside
it, and add one line to `COMMANDS`. Another installed package adds one by entry point of the group
`wardround.commands`, whose name is the command's and whose target is such a function or a `typer.Typer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

import wardround
from wardround.engine.basics.blame import Owner, release_of
from wardround.engine.basics.printable import say
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.manners import Examples, equip
from wardround.engine.cli.runner import run
from wardround.engine.cli.usage import unknown_command

ENTRY_POINT_GROUP = "wardround.commands"
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "check": "wardround.engine.cli.check:check",
        "parts": "wardround.engine.cli.parts:parts",
        "init": "wardround.engine.cli.init:init",
        "plan": "wardround.engine.cli.plan:plan",
        "split": "wardround.engine.cli.split:split",
        "grid": "wardround.engine.cli.grid:grid",
        "fit": "wardround.engine.cli.fit:fit",
        "collect": "wardround.engine.cli.collect:collect",
        "predict": "wardround.engine.cli.predict:predict",
        "evaluate": "wardround.engine.cli.evaluate:evaluate",
        "explain": "wardround.engine.cli.explain:explain",
        "export": "wardround.engine.cli.export:export",
        "preview": "wardround.engine.cli.preview:preview",
        "dicom": "wardround.engine.cli.dicom:dicom",
        "store": "wardround.engine.cli.store:store",
        "env": "wardround.engine.cli.env:env",
        "find": "wardround.engine.cli.find:find",
        "profile": "wardround.engine.cli.profile:profile",
        "new-part": "wardround.engine.cli.new_part:new_part",
        "import-nnunet": "wardround.engine.cli.import_nnunet:import_nnunet",
        "import-gandlf": "wardround.engine.cli.import_gandlf:import_gandlf",
        "import-npz": "wardround.engine.cli.import_npz:import_npz",
    }
)

EXAMPLES: Examples = MappingProxyType(
    {
        "": (
            "wardround check study.yaml --manifest data.csv",
            "wardround fit study.yaml --manifest data.csv --out run",
            "wardround predict run/fold-0/model --folder images --out predictions",
        ),
        "check": (
            "wardround check study.yaml --manifest data.csv",
            "wardround check study.yaml --manifest data.csv --full --json",
        ),
        "parts": ("wardround parts", "wardround parts network"),
        "dicom": (
            "wardround dicom export",
            "wardround dicom export --manifest data.csv",
        ),
        "store": ("wardround store list run",),
        "store list": ("wardround store list run",),
        "store prune": ('wardround store prune work --keep "200 GB"',),
        "store verify": ("wardround store verify work",),
        "find": (
            "wardround find learning-rate study.yaml --manifest data.csv",
            "wardround find batch-size study.yaml --manifest data.csv --most 32",
        ),
        "demo": ("wardround demo --out demo-run",),
    }
)


@cache
def _plugins() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name not in COMMANDS}


class LazyCommands(TyperGroup):
    """A group whose commands are imported one by one, when they are named or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the built-in commands in their order, then of those that other packages add."""
        return [*COMMANDS, *sorted(_plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import the command of that name. Raises `InputError` with the close names if there is none."""
        if cmd_name in COMMANDS:
            return _load(cmd_name, COMMANDS[cmd_name])
        if cmd_name in _plugins():
            return _load_foreign(_plugins()[cmd_name])
        raise InputError([unknown_command(cmd_name, self.list_commands(ctx), "wardround")])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named; one of another package answers for itself."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            entry = _plugins().get(ctx.invoked_subcommand or "")
            if entry is None:
                raise
            _owner(entry).blame(error)


def _owner(entry: EntryPoint) -> Owner:
    return Owner(f"the command {entry.name!r}", release_of(entry), f"wardround {entry.name}")


def _load_foreign(entry: EntryPoint) -> click.Command:
    """A command of another package. One that cannot be loaded says so when it is called, so that all others can be
    listed."""
    try:
        return _load(entry.name, entry.value)
    except Exception as error:
        problem = _owner(entry).fault(error)
        if not release_of(entry):
            raise

    def tell() -> None:
        raise InputError([problem])

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(entry.name, callback=tell, help=f"Cannot be used: {problem.what}.", context_settings=anything)


def _load(name: str, target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    found: Any = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = name  # as it is listed
        return equip(group, EXAMPLES, name)
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    return equip(typer.main.get_command(single), EXAMPLES, name)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"wardround {wardround.__version__}")
        raise typer.Exit


app = typer.Typer(cls=LazyCommands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train, validate and apply medical imaging models at one hospital."""


def main() -> int:
    """Run `wardround`; returns the exit code."""
    return run(app, examples=EXAMPLES)

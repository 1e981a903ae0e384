"""A command line that cannot be understood, told like any other problem: what, where, got, expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from wardround.engine.basics.problems import Problem, did_you_mean

_QUOTED = re.compile(r"'([^']*)'")
_NO_COMMAND = "No such command"
_SURPLUS = re.compile(r"unexpected extra arguments? \((.*)\)", re.DOTALL)


def usage_problem(error: click.UsageError) -> Problem:
    """What to tell of a command line that click refused."""
    where = error.ctx.command_path if error.ctx is not None else ""
    help_remedy = f"`{where} --help` has examples" if where else "`--help` has examples"
    if isinstance(error, click.NoSuchOption):
        return _unknown_option(error, where, help_remedy)
    if isinstance(error, click.MissingParameter):
        return _missing(error, where, help_remedy)
    if isinstance(error, click.BadOptionUsage):
        remedy = f"Write it after {error.option_name}, or leave the option out; {help_remedy}"
        return Problem("an option has no value", where, f"{error.option_name} alone", "a value after it", remedy)
    if isinstance(error, click.BadParameter):
        return _bad_value(error, where, help_remedy)
    return _other(error, where, help_remedy)


def _unknown_option(error: click.NoSuchOption, where: str, help_remedy: str) -> Problem:
    known = [name for name in _options(error.ctx) if name.startswith("--")]
    close = did_you_mean(error.option_name, known) if known else ""
    expected = f"one of {', '.join(known)}" if known else "no options"
    remedy = f"{close} {help_remedy}" if close.endswith("?") else help_remedy
    return Problem(f"unknown option {error.option_name!r}", where, error.option_name, expected, remedy)


def _missing(error: click.MissingParameter, where: str, help_remedy: str) -> Problem:
    param = error.param
    is_option = isinstance(param, click.Option)
    name = _name(param) if param is not None else "a parameter"
    told = getattr(param, "help", None) or "a value"
    write = f"{name} {_metavar(param)}" if is_option else name
    what = f"the option {name} is missing" if is_option else f"the argument {name} is missing"
    return Problem(what, where, f"no {name}", str(told).rstrip("."), f"Add `{write}`; {help_remedy}")


def _bad_value(error: click.BadParameter, where: str, help_remedy: str) -> Problem:
    quoted = _QUOTED.search(error.message)
    name = _name(error.param) if error.param is not None else "a value"
    expected = _type_words(error.param.type) if error.param is not None else "another value"
    remedy = f"Write {expected} after {name}; {help_remedy}"
    got = repr(quoted[1]) if quoted else error.message.rstrip(".")
    return Problem(f"the value of {name} cannot be used", where, got, expected, remedy)


def _other(error: click.UsageError, where: str, help_remedy: str) -> Problem:
    surplus = _SURPLUS.search(error.message)
    if surplus:
        expected = error.ctx.command.get_usage(error.ctx).partition(":")[2].strip() if error.ctx is not None else ""
        remedy = f"Take it out, put names with blanks in quotation marks, or name its option; {help_remedy}"
        return Problem("there are arguments too many", where, surplus[1], expected, remedy)
    word = _QUOTED.search(error.message)
    if error.message.startswith(_NO_COMMAND) and word and error.ctx is not None:
        return unknown_command(word[1], _commands(error.ctx), where)
    return Problem("this command line cannot be understood", where, error.message.rstrip("."), "", help_remedy)


def unknown_command(word: str, known: list[str], program: str) -> Problem:
    """What to tell of a command that does not exist."""
    close = did_you_mean(word, known)
    remedy = f"{close if close.endswith('?') else ''} `{program} --help` lists all".strip()
    return Problem(f"unknown command {word!r}", program, word, f"one of {', '.join(known)}", remedy)


def _commands(context: click.Context) -> list[str]:
    group = context.command
    return group.list_commands(context) if isinstance(group, click.Group) else []


def _options(context: click.Context | None) -> Iterator[str]:
    for param in context.command.get_params(context) if context is not None else ():
        if isinstance(param, click.Option) and not param.hidden:
            yield from param.opts


def _name(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else (param.name or "").upper()


def _metavar(param: click.Parameter | None) -> str:
    return param.type.name.upper() if param is not None else "VALUE"


def _type_words(kind: click.ParamType[Any]) -> str:
    if isinstance(kind, click.IntRange | click.FloatRange):
        noun = "a whole number" if isinstance(kind, click.IntRange) else "a number"
        limits = (("of at least", kind.min), ("of at most", kind.max))
        return f"{noun} {' and '.join(f'{word} {limit:,}' for word, limit in limits if limit is not None)}"
    if isinstance(kind, click.Choice):
        return f"one of {', '.join(map(str, kind.choices))}"
    words = {"integer": "a whole number", "float": "a number", "boolean": "true or false", "path": "a path"}
    return words.get(kind.name, "a text")

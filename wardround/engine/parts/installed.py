"""The rows of installed packages, and what is wrong with those that are none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from wardround.engine.basics.blame import release_of
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts.part import Kind, Parameters, Part

_REPAIR = "Repair, update or uninstall the package"
_TELL = "Correct the row, or tell the package's author"


def rows_of(
    entry: EntryPoint, read: Callable[[EntryPoint, object], tuple[Part, ...]] | None = None
) -> tuple[Part, ...]:
    """The parts of an installed package. Raises `InputError` that names it where they cannot be had.

    `read` makes rows of what the entry point gives, where that is no tuple of parts; it raises `InputError`.
    """
    where = f"{release_of(entry)}, entry point {entry.name} = {entry.value}"
    try:
        loaded = entry.load()
        found = (read or _found)(entry, loaded)
    except InputError as error:
        raise InputError(replace(problem, where=where) for problem in error.problems) from None
    except Exception as error:  # whatever a foreign package raises, the user can only repair or remove it
        what, got = "an installed package's parts cannot be loaded", f"{type(error).__name__}: {error}"
        raise InputError.one(what, where=where, got=got, expected="a module with rows", remedy=_REPAIR) from error
    flaws = [flaw for row in found for flaw in _flaws(entry, row)]
    if flaws:
        raise InputError(replace(flaw, where=where) for flaw in flaws)
    return tuple(replace(row, kind=Kind(row.kind), package=release_of(entry)) for row in found)


def _found(entry: EntryPoint, loaded: object) -> tuple[Part, ...]:
    """What an entry point gives, if it is rows at all; `InputError` says what it is instead, and how it is written."""
    name, file = entry.value.partition(":")[2] or "PARTS", _file_of(entry)
    if isinstance(loaded, ModuleType):
        raise InputError.one(
            "the entry point names a module, and not the rows in it",
            got=entry.value,
            expected="the module and the name of its rows",
            remedy=f'In pyproject.toml write `{entry.name} = "{entry.value}:PARTS"`, where {file} has '
            "`PARTS = (Part(...),)`; or tell the package's author",
        )
    right = f"In {file} write `{name} = (Part(...),)`, with the comma; or tell the package's author"
    if isinstance(loaded, Part):
        raise InputError.one(
            "the rows of an installed package are one Part, and no tuple of parts",
            got=f"`{name} = Part(...)` in {file}",
            expected="a tuple, of one or more",
            remedy=right,
        )
    if isinstance(loaded, str | bytes | dict | type) or not hasattr(loaded, "__iter__"):
        raise InputError.one(
            "the rows of an installed package are no tuple of parts",
            got=f"{_kind_of(loaded)} as `{name}` in {file}",
            expected="a tuple, of one or more",
            remedy=right,
        )
    return tuple(loaded)


def _kind_of(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _file_of(entry: EntryPoint) -> str:
    """The file that should hold the rows, below the folder in which the package is installed."""
    module = entry.value.partition(":")[0]
    file = getattr(sys.modules.get(module), "__file__", None) or f"{module.rpartition('.')[2]}.py"
    parents = module.split(".") if Path(file).name == "__init__.py" else module.split(".")[:-1]
    return "/".join([*parents, Path(file).name])


def _flaws(entry: EntryPoint, row: object) -> Iterator[Problem]:
    """What is wrong with a row, of which Python itself checks nothing."""
    if not isinstance(row, Part):
        yield Problem(
            "a row of an installed package is no part",
            got=repr(row),
            expected="rows of the type Part",
            remedy=_TELL,
        )
        return
    start = f"{_file_of(entry)}: the part {row.name!r} has"
    if row.kind not in [*Kind]:
        yield Problem(
            f"{start} no kind", got=repr(row.kind), expected=f"one of Kind.{', Kind.'.join(Kind.__members__)}"
        )
    if not isinstance(row.name, str):
        yield Problem(f"{start} no name", got=repr(row.name), expected="a text, by which studies name it", remedy=_TELL)
    if not (isinstance(row.parameters, type) and issubclass(row.parameters, Parameters)):
        expected = "a class that is made from Parameters"
        yield Problem(f"{start} no parameters", got=_kind_of(row.parameters), expected=expected, remedy=_TELL)
    if not _is_address(row.implementation):
        expected = "a text of the form `package.implementation:Name`"
        yield Problem(f"{start} no implementation", got=repr(row.implementation), expected=expected, remedy=_TELL)
    if row.kind == Kind.TASK and not _is_address(row.truth):
        expected = "a text of the form `package.module:TARGET`, which says what a study of this task learns from"
        yield Problem(f"{start} no kind of truth", got=repr(row.truth), expected=expected, remedy=_TELL)


def _is_address(text: object) -> bool:
    return isinstance(text, str) and all(text.partition(":"))

"""What may never appear in the package: code from data, unsafe loading, and ways around the checks."""

from __future__ import annotations

import ast
import re
from collections.abc import Set
from pathlib import Path

import pytest

from tests.architecture.source import Module, modules, place

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
YAML_OF_GANDLF = ("wardround.engine.interop.gandlf.config", "yaml")
"""GaNDLF's files are read as GaNDLF reads them: by the safe loader, which makes no objects."""
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_YAML = {
    *(f"yaml.{name}" for name in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")),
    *(f"yaml.{name}" for name in ("Loader", "CLoader", "FullLoader", "UnsafeLoader", "add_constructor")),
}
FORBIDDEN_METHODS = {"torch.load", "torch.save", "os.system", "os.popen", *UNSAFE_YAML}
SINKS = {
    *("print", "pprint.pprint", "typer.echo", "typer.secho", "click.echo", "click.secho", "os.write"),
    *(
        f"sys.{stream}.{how}"
        for stream in ("stdout", "stderr", "__stdout__", "__stderr__")
        for how in ("write", "buffer")
    ),
    *("traceback.print_exc", "traceback.print_exception", "traceback.print_stack", "faulthandler.enable"),
    *("logging.basicConfig", "logging.StreamHandler", "logging.FileHandler", "warnings.warn"),
}
"""Ways past the one module through which text becomes output."""
MADE_PRINTABLE = {"wardround.engine.basics.loudness": "logging.StreamHandler"}
"""Derives from it, and writes through that one module all the same."""
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def _uses(module: Module, forbidden: Set[str]) -> list[str]:
    """Where a module names one of these, called or handed on, by whatever name its imports give it."""
    named = ((node, name) for node in ast.walk(module.tree) for name in module.named(node))
    return [
        f"{place(module, node.lineno)} {name}"  # type: ignore[attr-defined]
        for node, name in named
        if name.removeprefix("builtins.") in forbidden
    ]


def _calls(module: Module) -> list[ast.Call]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]


def test_no_module_that_turns_bytes_into_code() -> None:
    found = [
        f"{place(module, line)} {name}"
        for module in modules()
        for name, line in module.imports()
        if name.split(".")[0] in FORBIDDEN_MODULES and (module.name, name.split(".")[0]) != YAML_OF_GANDLF
    ]
    assert not found


def test_no_call_that_turns_data_into_code() -> None:
    found = [use for module in modules() for use in _uses(module, FORBIDDEN_CALLS | FORBIDDEN_METHODS)]
    assert not found


def test_no_numpy_file_is_read_with_pickle_and_no_command_goes_through_a_shell() -> None:
    found = [
        place(module, call.lineno)
        for module in modules()
        for call in _calls(module)
        for keyword in call.keywords
        if keyword.arg in {"allow_pickle", "shell"}
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert not found


def test_no_exception_is_swallowed() -> None:
    found = [
        place(module, node.lineno)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body)
    ]
    assert not found


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{place(module, number)} {line.strip()}"
        for module in modules()
        for number, line in enumerate(module.path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found


def test_text_reaches_people_through_one_module_only() -> None:
    found = [
        use
        for module in modules()
        if not module.name.endswith("basics.printable")
        for use in _uses(module, SINKS - {MADE_PRINTABLE.get(module.name)})
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from torch import load\nload(x)", "torch.load"),
        ("import torch as t\nt.load(x)", "torch.load"),
        ("from os import system as run\nrun(x)", "os.system"),
        ("import os\nmap(os.system, x)", "os.system"),
        ("def f():\n    from sys import stdout\n    stdout.write(x)", "sys.stdout.write"),
        ("import sys as s\ns.stderr.buffer.write(x)", "sys.stderr.buffer"),
        ("import torch\ngetattr(torch, 'load')(x)", "torch.load"),
        ("import builtins as b\nb.eval(x)", "builtins.eval"),
        ("from builtins import exec as do\ndo(x)", "exec"),
        ("print(x)", "print"),
    ],
)
def test_the_checks_see_through_the_names_that_imports_give(source: str, name: str) -> None:
    module = Module("example", Path(modules()[0].path.parent / "example.py"), ast.parse(source))
    assert [use.split()[1] for use in _uses(module, FORBIDDEN_CALLS | FORBIDDEN_METHODS | SINKS)] == [name]


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile(x)",
        "from re import compile\ncompile(x)",
        "import numpy as torch\ntorch.load(x)",
        "self.print(x)",
    ],
)
def test_what_only_looks_alike_passes(source: str) -> None:
    module = Module("example", Path("example.py"), ast.parse(source))
    assert _uses(module, FORBIDDEN_CALLS | FORBIDDEN_METHODS | SINKS) == []

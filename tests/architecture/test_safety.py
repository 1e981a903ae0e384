"""What may never appear in the package: code from data, unsafe loading, and ways around the checks."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import Module, modules, place

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"torch.load", "torch.save", "yaml.load", "os.system", "os.popen"}
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
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _calls(module: Module) -> list[ast.Call]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]


def test_no_module_that_turns_bytes_into_code() -> None:
    found = [
        f"{place(module, line)} {name}"
        for module in modules()
        for name, line in module.imports()
        if name.split(".")[0] in FORBIDDEN_MODULES
    ]
    assert not found


def test_no_call_that_turns_data_into_code() -> None:
    found = [
        f"{place(module, call.lineno)} {_dotted(call.func)}"
        for module in modules()
        for call in _calls(module)
        if _dotted(call.func) in FORBIDDEN_CALLS | FORBIDDEN_METHODS
    ]
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
        f"{place(module, call.lineno)} {_dotted(call.func)}"
        for module in modules()
        if not module.name.endswith("basics.printable")
        for call in _calls(module)
        if _dotted(call.func) in SINKS
    ]
    assert not found

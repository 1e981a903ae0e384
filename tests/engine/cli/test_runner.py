"""Exit codes and messages that every program shares."""

from __future__ import annotations

import errno
import re
import sys

import pytest
import torch
import typer

from tests.support.commands import run_wardround
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.cli.telling import show_problems


def program(failure: BaseException | None) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work(number: int = 0, as_json: bool = typer.Option(False, "--json")) -> None:
        if failure is not None:
            raise failure

    return app


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (None, 0, ""),
        (InputError([Problem("one"), Problem("two")]), 2, "error: one.\nerror: two.\n"),
        (typer.Exit(3), 3, ""),
        (typer.Exit(), 0, ""),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (typer.Abort(), 130, "interrupted\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/store"), 2, "error: /data/store: the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/home"), 2, "error: /home: the disk is full"),
        (OSError(errno.EIO, "Input/output error"), 2, "error: a file cannot be read or written (got Input/output"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "error: /x: a file cannot be read or written"),
        (PermissionError(errno.EACCES, "no", "/x"), 2, "error: /x: this user may not do that here (got no)"),
        (NotADirectoryError(errno.ENOTDIR, "no", "/x"), 2, "error: /x: a file or folder stands where something else"),
        (FileNotFoundError(errno.ENOENT, "no", "/x"), 2, "error: /x: this was here and has gone"),
        (OSError(errno.EMFILE, "Too many open files"), 2, "error: the system opens no more files"),
        (torch.OutOfMemoryError("CUDA out of memory. GPU 0 has 0 bytes"), 75, "error: there is not enough memory"),
        (MemoryError(), 75, "error: there is not enough memory"),
        (RuntimeError("CUDA error: an illegal memory access"), 75, "error: the device failed (got CUDA error: an"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), 75, "error: the device failed (got CUDA"),
    ],
)
def test_an_ending_has_its_code_and_its_words(failure: BaseException | None, code: int, words: str) -> None:
    outcome = run_wardround(app=program(failure))
    assert outcome.code == code
    assert outcome.err.startswith(words)
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    "failure", [ZeroDivisionError("defect"), RuntimeError("shape"), PermissionError(errno.EACCES, "no socket")]
)
def test_a_defect_is_not_dressed_up(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        run_wardround(app=program(failure))


def test_problems_as_json_go_to_standard_output() -> None:
    outcome = run_wardround("--json", app=program(InputError.one("bad", where="a", got="1", expected="2", remedy="Do")))
    assert outcome.code == 2
    assert outcome.json == {"problems": [{"what": "bad", "where": "a", "got": "1", "expected": "2", "remedy": "Do"}]}
    assert outcome.err == ""


def test_a_full_disk_as_json() -> None:
    assert (
        run_wardround("--json", app=program(OSError(errno.ENOSPC, "full", "/x"))).json["problems"][0]["where"] == "/x"
    )


@pytest.mark.parametrize("words", [("--numbre", "1"), ("--number", "many"), ("surplus",)])
def test_a_wrong_command_line_is_bad_input(words: tuple[str, ...]) -> None:
    outcome = run_wardround(*words, app=program(None))
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_a_terminal_gets_colours_and_a_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    show_problems([Problem("bad [b]cell[/b]", where="data.csv:2", got="[red]"), Problem("worse")], as_json=False)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)
    assert "2 problems" in shown
    assert "data.csv:2: bad [b]cell[/b] (got [red])." in shown


@pytest.mark.parametrize(("command", "how"), [("fit", "To go on"), ("predict", "To begin again")])
@pytest.mark.parametrize(
    ("called", "shown"), [("/opt/wardround/bin/wardround", "wardround"), ("site-client", "site-client")]
)
def test_who_is_interrupted_reads_the_very_command_that_goes_on(
    called: str, shown: str, command: str, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fit(study: str, out: str) -> None:
        raise KeyboardInterrupt

    @app.command()
    def predict(study: str, out: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", [called])
    assert run(app, [command, "my study.yaml", "run"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err.splitlines() == [
        "interrupted",
        f"{how}: {shown} {command} 'my study.yaml' run",
    ]

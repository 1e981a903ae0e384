"""Every command of the three programs explains itself: -h, examples, how loud it is, exit codes, completion."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

from tests.support.commands import run_wardround
from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION
from wardround.aggregator.cli import app as aggregator_app
from wardround.aggregator.examples import EXAMPLES as AGGREGATOR
from wardround.engine.basics.loudness import as_usual, be_quiet, be_verbose, note, passed_on
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress
from wardround.engine.cli.main import EXAMPLES as WARDROUND
from wardround.engine.cli.main import app as wardround_app
from wardround.engine.cli.manners import Examples, equip, with_exit_codes
from wardround.site_client import supervisor
from wardround.site_client.cli import app as site_app
from wardround.site_client.events import Role
from wardround.site_client.examples import EXAMPLES as SITE_CLIENT

PROGRAMS: dict[str, tuple[typer.Typer, Examples]] = {
    "wardround": (wardround_app, WARDROUND),
    "site-client": (site_app, SITE_CLIENT),
    "aggregator": (aggregator_app, AGGREGATOR),
}


def root_of(program: str) -> click.Command:
    app, examples = PROGRAMS[program]
    return with_exit_codes(equip(typer.main.get_command(app), examples))


def commands_of(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands_of(found, f"{path} {name}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_has_examples_that_name_it(program: str) -> None:
    found = list(commands_of(root_of(program), program))
    assert len(found) > 8
    for path, command in found:
        title, _, examples = (command.help or "").partition("Example")
        lines = [line.strip() for line in examples.splitlines()[1:] if line.strip()]
        assert title.strip(), path
        assert lines, path
        assert any(line.startswith(path) for line in lines), (path, lines)
        shorts = {short for param in command.params for short in param.opts}
        assert {"-q", "--quiet", "-v", "--verbose"} <= shorts, path


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_examples_are_command_lines_that_the_program_takes(program: str) -> None:
    root = root_of(program)
    for path, command in commands_of(root, program):
        if isinstance(command, click.Group):
            continue
        for line in [each.strip() for each in (command.help or "").splitlines() if each.startswith(f"  {path} ")]:
            words = line.split(" > ")[0].replace('"', "").split()[len(path.split()) :]
            options = [word for word in words if word.startswith("-")]
            known = {name for param in command.params for name in param.opts}
            assert set(options) <= known, line


@pytest.mark.parametrize("program", PROGRAMS)
def test_h_is_help_everywhere_and_the_program_tells_its_exit_codes(program: str) -> None:
    app, examples = PROGRAMS[program]
    shown = run_wardround("-h", app=app, examples=examples).out
    for words in ("Exit codes:", "130", "--install-completion", "--show-completion", "Example"):
        assert words in shown, words
    name = next(key for key in (*examples, "fit") if key and " " not in key)
    assert "--help" in run_wardround(name, "-h", app=app, examples=examples).out


def program_with_words() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work(fail: bool = False) -> None:
        note("note: worth knowing")
        with progress("Working", 1) as shown:
            shown.advance(1)
        if fail:
            raise InputError.one("bad")
        print("result")

    return app


def test_quiet_leaves_results_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    app = program_with_words()
    assert "worth knowing" in run_wardround(app=app).err
    quiet = run_wardround("-q", app=app)
    assert (quiet.out, quiet.err) == ("result\n", "")
    assert run_wardround("--quiet", "--fail", app=app).err == "error: bad.\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run_wardround("-q", app=app).err == ""
    monkeypatch.undo()
    assert "worth knowing" in run_wardround(app=app).err


def test_verbose_says_every_step(tmp_path: object) -> None:
    study = f"{tmp_path}/study.yaml"
    with open(study, "w") as handle:
        handle.write("schema: 1\n")
    assert "reads the study" in run_wardround("check", study, "--manifest", "none.csv", "-v").err
    assert "reads the study" not in run_wardround("check", study, "--manifest", "none.csv").err


def test_verbose_says_where_each_thing_is_stored_and_how_long_it_took(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(json.dumps(SEGMENTATION | {"augmentation": []}))
    manifest = write_segmentation_cohort(tmp_path / "data", cases=6, shape=(20, 20, 20))
    out = tmp_path / "run"
    words = ("fit", str(tmp_path / "study.yaml"), "--manifest", str(manifest), "--out", str(out), "--steps", "2")
    told = run_wardround(*words, "--threads", "1", "-v").err
    assert f"reads the table {manifest}" in told
    assert re.search(rf"preprocessed .* in \d+\.\d\d s, stored in {out}/store/cases/", told)
    assert re.search(r"up to step 2: \d+\.\d s of training, \d+\.\d s of validation", told)
    assert f"wrote {out}/fold-0/report.html" in told


@pytest.mark.parametrize(("act", "option"), [(be_quiet, ("--quiet",)), (be_verbose, ("--verbose",)), (as_usual, ())])
def test_a_programs_processes_are_as_loud_as_it_is(act: Callable[[], None], option: tuple[str, ...]) -> None:
    try:
        act()
        assert passed_on() == option
        words = supervisor._command(Role.WORKER, Path("site.yaml"))
        assert tuple(word for word in words if word in ("--quiet", "--verbose")) == option
    finally:
        as_usual()

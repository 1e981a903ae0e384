"""Many problems of one kind are told together; a command line that is wrong is told like any other problem."""

from __future__ import annotations

import pytest
import typer

from tests.support.commands import run_wardround
from tests.support.spoiling import FORBIDDEN, unfit_for_people
from wardround.engine.basics.grouping import in_short
from wardround.engine.basics.problems import InputError, Problem


def program(problems: list[Problem]) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work(as_json: bool = typer.Option(False, "--json")) -> None:
        raise InputError(problems)

    @app.command()
    def other(
        path: str, number: int = typer.Option(1, min=0, max=9), name: str = typer.Option(..., help="Whose.")
    ) -> None:
        raise InputError(problems)

    return app


def rows(count: int, **details: str) -> list[Problem]:
    return [Problem("there is no such file", f"data.csv:{n + 2}", f"'img/{n}.nii'", **details) for n in range(count)]


def test_many_of_one_kind_are_counted_and_the_first_are_shown() -> None:
    found = [Problem("one"), *rows(54, expected="a file", remedy="The folder img does not exist"), Problem("two")]
    outcome = run_wardround("work", app=program(found))
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: one.",
        "error: 54 times: there is no such file (expected a file). The folder img does not exist.",
        "  data.csv:2 (got 'img/0.nii').",
        "  data.csv:3 (got 'img/1.nii').",
        "  data.csv:4 (got 'img/2.nii').",
        "  and 51 more of this kind; `--json` lists all",
        "error: two.",
    ]
    assert len(run_wardround("work", "--json", app=program(found)).json["problems"]) == 56


def test_two_of_one_kind_are_told_one_by_one_and_a_few_are_all_listed() -> None:
    assert len(run_wardround("work", app=program(rows(2))).err.splitlines()) == 2
    lines = run_wardround("work", app=program(rows(5, remedy="Copy it again"))).err.splitlines()
    assert lines[0] == "error: 5 times: there is no such file. Copy it again."
    assert lines[1:] == [f"  data.csv:{n + 2} (got 'img/{n}.nii')." for n in range(5)]


def test_what_two_checks_found_alike_is_told_once() -> None:
    assert len(run_wardround("work", app=program([*rows(1), *rows(1), *rows(1)])).err.splitlines()) == 1
    assert len(run_wardround("work", "--json", app=program([*rows(1), *rows(1)])).json["problems"]) == 1


def test_one_kind_with_two_remedies_is_two_groups_and_neither_repeats_what_its_rows_share() -> None:
    known, rest = "expected one of a, b, c", "Take the line out"
    far = [Problem("unknown set 'x'", f"a.csv:{n}", f"`x{n}`", known, rest) for n in range(4)]
    near = [Problem("unknown set 'y'", "a.csv:9", "`y`", "a known set", "Did you mean 'a'?")]
    lines = run_wardround("work", app=program([*far, *near])).err.splitlines()
    assert sum(known in line for line in lines) == sum(rest in line for line in lines) == 1
    assert lines[-1].startswith("error: a.csv:9: unknown set 'y'")


def test_differing_remedies_of_one_kind_stay() -> None:
    found = [Problem(f"unknown set 'x{n}'", f"data.csv:{n}", remedy=f"Did you mean {n}?") for n in range(9)]
    lines = run_wardround("work", app=program(found)).err.splitlines()
    assert lines[0] == "error: 9 times: unknown set ..."
    assert lines[1] == "  data.csv:0: unknown set 'x0'. Did you mean 0?"
    assert len(lines) == 5


def test_a_command_without_json_promises_none() -> None:
    lines = run_wardround("other", "x", "--name", "a", app=program(rows(9))).err.splitlines()
    assert lines[-1] == "  and 6 more of this kind"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("other", "x", "--nmae", "a"), ("unknown option '--nmae'", "Did you mean '--name'", "--help")),
        (("other", "--name", "a"), ("the argument PATH is missing", "Add `PATH`")),
        (("other", "x"), ("the option --name is missing", "expected Whose", "Add `--name TEXT`")),
        (("other", "x", "--name"), ("an option has no value", "--name alone")),
        (("other", "x", "--name", "a", "--number", "many"), ("the value of --number", "'many'", "a whole number")),
        (("other", "x", "--name", "a", "--number", "12"), ("the value of --number", "of at least 0 and of at most 9")),
        (("other", "x", "y z", "--name", "a"), ("arguments too many", "got y z", "quotation marks")),
        (("othre",), ("unknown command 'othre'", "Did you mean 'other'?")),
    ],
)
def test_a_wrong_command_line_is_told_in_full(words: tuple[str, ...], told: tuple[str, ...]) -> None:
    outcome = run_wardround(*words, app=program([]))
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert "(got " in outcome.err
    assert "; expected " in outcome.err
    assert "`work" in outcome.err or "--help` " in outcome.err
    assert all(part in outcome.err for part in told), outcome.err
    assert not [word for word in FORBIDDEN if word in outcome.err]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "none.yaml", "--manifest", "none.csv"),
        ("check", "none.yaml", "--manifest", "study.yaml"),
        ("fit", "none.yaml", "--manifest", "none.csv", "--out", "run", "--folds", "five"),
        ("fit", "none.yaml", "--manifest", "none.csv", "--out", "run", "--store-limit", "many"),
        ("store", "list", "nowhere"),
        ("store", "prune", "nowhere", "--keep", "much"),
        ("parts", "networks"),
        ("preview", "none.yaml", "--manifest", "none.csv", "--out", "patches.jpg"),
    ],
)
def test_every_slip_at_the_command_line_has_got_expected_and_remedy(words: tuple[str, ...]) -> None:
    outcome = run_wardround(*words, "--json")
    assert outcome.code == 2
    assert [
        unfit_for_people(Problem(**problem) if problem["where"] else Problem(**{**problem, "where": "-"}))
        for problem in outcome.json["problems"]
    ] == [[] for _ in outcome.json["problems"]]


KEYS = (
    *(f"federation.yaml:{n}, key{n}" for n in range(8)),
    *(f"my study.yml:9, inputs.{n}" for n in range(8)),
    *(f"site.yaml, part{n}" for n in range(8)),
    *(f"/srv/site/roster.json, members.{n}.name" for n in range(8)),
    *(f"--option-{chr(97 + n)}" for n in range(8)),
)


def test_no_key_of_a_settings_file_and_no_option_is_hidden_behind_another() -> None:
    found = [Problem("this value cannot be used", place, str(n), remedy=f"Write {n}") for n, place in enumerate(KEYS)]
    lines = run_wardround("work", app=program(found)).err.splitlines()
    assert lines == [f"error: {place}: this value cannot be used (got {n}). Write {n}." for n, place in enumerate(KEYS)]
    assert all(place in in_short(found) for place in KEYS)


def test_what_repeats_at_one_key_is_told_once() -> None:
    found = [Problem(f"the model has no tensor {n}", "federation.yaml:3, initial") for n in range(20)]
    lines = run_wardround("work", app=program(found)).err.splitlines()
    assert lines[0] == "error: 20 times: the model has no tensor ..."
    assert lines[-1] == "  and 17 more of this kind; `--json` lists all"


@pytest.mark.parametrize("place", ["data.csv:{}, Label", "row {}", "subject 'c{}'", "keys/{}.pub", "img/{}.nii.gz"])
def test_rows_cases_and_files_are_counted(place: str) -> None:
    found = [Problem("it is not there", place.format(n)) for n in range(9)]
    assert len(run_wardround("work", app=program(found)).err.splitlines()) == 5


def test_two_cells_with_one_remedy_are_one_mistake_and_with_two_are_two() -> None:
    places = ("data.csv:2, subject 'a', Channel_0", "data.csv:2, subject 'a', Label")
    same = [
        Problem("there is no such file", place, f"'C:\\{n}'", "a file", "Write /") for n, place in enumerate(places)
    ]
    assert run_wardround("work", app=program(same)).err.splitlines() == [
        "error: 2 times: there is no such file (expected a file). Write /.",
        "  data.csv:2, subject 'a', Channel_0 (got 'C:\\0').",
        "  data.csv:2, subject 'a', Label (got 'C:\\1').",
    ]
    other = [Problem("there is no such file", place, remedy=f"Write {place}") for place in places]
    assert len(run_wardround("work", app=program(other)).err.splitlines()) == 2
    assert run_wardround("work", app=program(other)).err.count("error: ") == 2

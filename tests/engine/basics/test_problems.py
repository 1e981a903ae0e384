"""Problems read as sentences, are collected, and name the closest known words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("the file is empty"), "the file is empty."),
        (Problem("unknown key 'epoch'", "s.yaml:3"), "s.yaml:3: unknown key 'epoch'."),
        (Problem("bad", "a", "1", "2"), "a: bad (got 1; expected 2)."),
        (Problem("bad", got="1", remedy="Do this"), "bad (got 1). Do this."),
        (Problem("bad", expected="2", remedy="Did you mean 'x'?"), "bad (expected 2). Did you mean 'x'?"),
        (Problem("it ends with a stop."), "it ends with a stop."),
    ],
)
def test_a_problem_reads_as_a_sentence(problem: Problem, text: str) -> None:
    assert problem.render() == text


def test_an_error_tells_every_problem_on_a_line_of_its_own() -> None:
    error = InputError([Problem("one"), Problem("two", "here")])
    assert str(error) == "one.\nhere: two."
    assert len(error.problems) == 2


def test_findings_gather_the_problems_of_several_checks() -> None:
    findings = Findings()
    findings.raise_if_any()
    findings.add("first", where="a")
    with findings.gather():
        raise InputError.one("second")
    with findings.gather():
        findings.extend([Problem("third")])
    with pytest.raises(InputError) as caught:
        findings.raise_if_any()
    assert [problem.what for problem in caught.value.problems] == ["first", "second", "third"]


def test_findings_let_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), Findings().gather():
        _ = 1 // 0


def test_suggestions_name_the_closest_first_and_each_once() -> None:
    assert did_you_mean("lerning_rate", ["epochs", "learning_rate"]) == "Did you mean 'learning_rate'?"
    assert did_you_mean("weight", ["weighted", "weights"]) == "Did you mean 'weights' or 'weighted'?"
    assert did_you_mean("dice", ["Dice", "dice_ce"]) == "Did you mean 'Dice'?"
    assert did_you_mean("filtres", ["filters", "most_filters", "strides"]) == "Did you mean 'filters'?"
    assert did_you_mean("dicee", ["dice", "dice"]) == "Did you mean 'dice'?"


def test_without_a_close_word_all_are_listed() -> None:
    assert did_you_mean("xyzzy", ["b", "a"]) == "Write one of these: a, b"
    assert did_you_mean("xyzzy", []) == ""


WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"), min_size=4, max_size=16)


@given(st.lists(WORDS, min_size=1, max_size=6, unique=True), st.data())
def test_a_word_with_one_letter_dropped_is_suggested(known: list[str], data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(known))
    index = data.draw(st.integers(0, len(word) - 1))
    assert word in did_you_mean(word[:index] + word[index + 1 :], known)

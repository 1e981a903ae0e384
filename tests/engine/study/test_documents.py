"""YAML 1.2 with line numbers, and every problem of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from wardround.engine.basics.problems import InputError
from wardround.engine.study.documents import parse_document, read_document, validate_document

HERE = Path("folder/site.yaml")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(default=1, ge=1)
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    rate: float = 1.0
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    either: Literal["all"] | tuple[int, ...] = "all"


def content_of(text: str) -> object:
    return parse_document(text, HERE).content


def problems_of(text: str, *, strict: bool | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        validate_document(Outer, parse_document(text, HERE), strict=strict)
    return [problem.render() for problem in caught.value.problems]


def test_numbers_and_words_are_those_of_yaml_1_2() -> None:
    text = "a: 1e-3\nb: no\nc: 12:30:00\nd: true\ne: 0o17\nf: 010\ng: off\nh: 'x'\ni: ~\nj: 2024-01-01\n"
    expected = {"a": 0.001, "b": "no", "c": "12:30:00", "d": True, "e": 15, "f": 10, "g": "off", "h": "x", "i": None}
    assert content_of(text) == {**expected, "j": "2024-01-01"}


def test_a_key_that_stands_twice_is_an_error_with_its_line() -> None:
    with pytest.raises(InputError, match=r"site.yaml:3: a key stands twice"):
        content_of("a: 1\nb: 2\na: 3\n")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_called_empty(text: str) -> None:
    with pytest.raises(InputError, match=r"site.yaml: the file is empty"):
        content_of(text)


@pytest.mark.parametrize(("text", "got"), [("- a\n- b\n", "a list"), ("just words\n", "'just words'"), ("7\n", "7")])
def test_a_file_without_keys_says_what_it_is(text: str, got: str) -> None:
    with pytest.raises(InputError) as caught:
        content_of(text)
    assert caught.value.problems[0].got == got


@pytest.mark.parametrize("text", ["a: [1, 2\n", "a: {b: 1\n", "a: 'open\n", "a: b: c\n", "a: 1\n---\nb: 2\n", "%\n"])
def test_what_is_not_yaml_is_told_without_a_traceback(text: str) -> None:
    with pytest.raises(InputError, match="this is not YAML"):
        content_of(text)


def test_a_file_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        content_of("a: " + "[" * 3000 + "]" * 3000)


def test_a_tag_makes_no_object() -> None:
    assert content_of("a: !!python/object/apply:os.system ['true']\n") == {"a": ["true"]}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such YAML file .*check the path"):
        read_document(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: Universit\xe4t\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_document(tmp_path / "latin.yaml")


def test_every_problem_has_the_line_of_its_key() -> None:
    text = "nam: x\nrate: fast\ninner:\n  depth: 0\n  kind: c\nseveral:\n  - depth: 2\n  - dept: 3\neither: [1, x]\n"
    assert problems_of(text) == [
        "site.yaml, name: a required key is missing (got no `name`; expected text). Add the key `name`.",
        "site.yaml:1, nam: unknown key 'nam' (got `nam`; expected a key that is known here). Did you mean 'name'?",
        "site.yaml:2, rate: this value cannot be used (got 'fast'; expected a number). Write for example `rate: 1`.",
        "site.yaml:4, inner.depth: this value cannot be used (got 0; expected a whole number of at least 1). "
        "Write for example `depth: 1`.",
        "site.yaml:5, inner.kind: this value cannot be used (got 'c'; expected a or b). Write for example `kind: a`.",
        "site.yaml:8, several.1.dept: unknown key 'dept' (got `dept`; expected a key that is known here). "
        "Did you mean 'depth'?",
        "site.yaml:9, either.1: this value cannot be used (got 'x'; expected a whole number). Write for example `1`.",
    ]


def test_an_empty_value_is_called_nothing() -> None:
    assert problems_of("name:\n") == [
        "site.yaml:1, name: this value cannot be used (got nothing; expected text). "
        "Correct it as it says, and run the same command again."
    ]


def test_strict_reading_takes_no_word_for_a_number() -> None:
    text = "name: x\nrate: '1'\ninner: {depth: true}\n"
    assert validate_document(Outer, parse_document(text, HERE)).rate == 1.0
    assert [problem.split(":")[1] for problem in problems_of(text, strict=True)] == ["2, rate", "3, inner.depth"]


def test_long_values_are_cut() -> None:
    assert len(problems_of(f"name: x\nrate: {'y' * 5000}\n")[0]) < 400


def test_every_key_that_stands_twice_is_told_at_once_with_the_first_of_it() -> None:
    text = "a: 1\nb: {x: 1, y: 2, x: 3}\nc:\n  - d: 1\n    e: 2\n    d: 3\na: 4\n'a': 5\n"
    with pytest.raises(InputError) as caught:
        parse_document(text, Path("study.yaml"))
    assert [(problem.where, problem.got) for problem in caught.value.problems] == [
        ("study.yaml:2", "`x` again; it stands on line 2 already"),
        ("study.yaml:6", "`d` again; it stands on line 4 already"),
        ("study.yaml:7", "`a` again; it stands on line 1 already"),
        ("study.yaml:8", "`a` again; it stands on line 1 already"),
    ]


def test_a_number_that_stands_twice_in_two_spellings_is_told() -> None:
    with pytest.raises(InputError, match=r"study.yaml:2: .*does not fit"):
        parse_document("1: a\n0x1: b\n", Path("study.yaml"))

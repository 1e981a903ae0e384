"""Rows of installed packages: what is wrong with them is told once, with what its author writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, builtin_and_plugins

_HEAD = """
from wardround.engine.parts import Kind, Parameters, Part
class Sharpness(Parameters):
    \"\"\"How sharp.\"\"\"
    amount: float = 1.0
ROW = Part(Kind.LOSS, "sharp", Sharpness, "json:loads")
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that an entry point of the name `sharp` leads to."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "fresh_parts").mkdir()
    (tmp_path / "fresh_parts" / "__init__.py").touch()
    yield tmp_path / "fresh_parts" / "rows.py"
    for name in ("fresh_parts.rows", "fresh_parts"):
        sys.modules.pop(name, None)
    builtin_and_plugins.cache_clear()


def _told(monkeypatch: pytest.MonkeyPatch, name: str = "sharp", value: str = "fresh_parts.rows:PARTS") -> list[str]:
    entry = EntryPoint(name, value, "wardround.parts")
    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: [entry])
    builtin_and_plugins.cache_clear()
    try:
        builtin_and_plugins().find(Kind.LOSS, "sharp")
    except InputError as error:
        return [problem.render() for problem in error.problems]
    return []


@pytest.mark.parametrize("rows", ["(ROW,)", "[ROW]", "tuple(row for row in (ROW,))"])
def test_rows_in_any_sequence_are_taken(rows: str, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(f"{_HEAD}PARTS = {rows}\n")
    assert _told(monkeypatch) == []


def test_a_kind_that_is_written_as_a_study_writes_it_is_a_kind(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(f'{_HEAD}PARTS = (Part("loss", "sharp", Sharpness, "json:loads"),)\n')
    assert _told(monkeypatch) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("ROW", "are one Part, and no tuple of parts"),
        ("(ROW)", "got `PARTS = Part(...)` in fresh_parts/rows.py"),
        ("{'sharp': ROW}", "got a dict as `PARTS` in fresh_parts/rows.py"),
        ("None", "got a NoneType as `PARTS`"),
        ("Sharpness", "got the class Sharpness as `PARTS`"),
        ("lambda: (ROW,)", "got a function as `PARTS`"),
    ],
)
def test_what_is_no_tuple_of_rows_is_told_with_what_to_write(
    rows: str, words: str, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.write_text(f"{_HEAD}PARTS = {rows}\n")
    (told,) = _told(monkeypatch)
    assert words in told
    assert "`PARTS = (Part(...),)`, with the comma" in told


def test_an_entry_point_without_the_name_of_rows_is_told(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(f"{_HEAD}PARTS = (ROW,)\n")
    (told,) = _told(monkeypatch, value="fresh_parts.rows")
    assert '`sharp = "fresh_parts.rows:PARTS"`' in told


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('Part("losses", "sharp", Sharpness, "json:loads")', "has no kind (got 'losses'; expected one of Kind.PREPRO"),
        ('Part(Kind.LOSS, "sharp", Sharpness(), "json:loads")', "has no parameters (got a Sharpness"),
        ('Part(Kind.LOSS, "sharp", Sharpness, "json.loads")', "has no implementation (got 'json.loads'"),
        ('Part(Kind.LOSS, Sharpness, "sharp", "json:loads")', "has no name"),
        ("Sharpness", "is no part"),
    ],
)
def test_a_row_of_other_values_is_told(row: str, words: str, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(f"{_HEAD}PARTS = ({row},)\n")
    assert words in " ".join(_told(monkeypatch))


@pytest.mark.parametrize("name", ["sharp", "sharp_loss", "my-Sharp"])
def test_a_broken_package_of_the_parts_name_is_the_one_mistake(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = _told(monkeypatch, name, "nowhere.row:PARTS")
    assert "No module named 'nowhere'" in told
    assert "If it is not" not in told
    builtin_and_plugins.cache_clear()

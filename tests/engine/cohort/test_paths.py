"""Names of files that are missing: the closest ones are told, in a time that does not grow with rows times files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from wardround.engine.cohort import paths


def _told(row: int, cell: str, base: Path, neighbours: paths.Neighbours) -> str:
    with pytest.raises(paths.InputError) as caught:
        paths.resolve_file(base, cell, f"row {row}", neighbours)
    return caught.value.problems[0].remedy


def test_a_table_whose_every_row_is_wrong_is_told_in_linear_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, compared = 1_000, 0

    def counted(word: str, names: Iterable[str], **_: Any) -> list[str]:
        nonlocal compared
        compared += len(list(names))
        return [word.replace(".jpg", ".png")]

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    monkeypatch.setattr(paths, "_COMPARISONS", 20 * count)
    for number in range(count):
        (tmp_path / f"x{number}.png").touch()
    neighbours = paths.Neighbours()
    told = [_told(row, f"x{row}.jpg", tmp_path, neighbours) for row in range(count)]
    assert told == [f"Its folder has 'x{row}.png'; correct the cell, or the file's name" for row in range(count)]
    assert compared <= 20 * count


def test_a_name_that_is_quite_another_is_told_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    (tmp_path / "x.nii").touch()
    neighbours = paths.Neighbours()
    assert _told(0, "another.jpg", tmp_path, neighbours).startswith(
        f"Put the file back into {tmp_path}, or correct the"
    )
    assert _told(0, "X.png", tmp_path, neighbours).startswith("There is 'x.png', which differs only by upper and")
    assert "does not exist either" in _told(0, "nowhere/x.png", tmp_path, neighbours)


def test_what_stands_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    named = {
        "folder": "this is a folder without DICOM files",
        "pipe.png": "this is a pipe, a socket or a device",
        "link.png": "this is a link to 'gone.png', which is not there",
        "loop.png": "this is a link to 'loop.png', which is not there",
    }
    for cell, words in named.items():
        with pytest.raises(paths.InputError, match=words):
            paths.resolve_file(tmp_path, cell, "row 1", paths.Neighbours())


def test_a_folder_that_every_row_names_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of a thousand patients in one folder is listed once, and not for each of them."""
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "IM1").write_bytes(b"\0" * 128 + b"DICM")
    looked_at: list[Path] = []
    look = paths.holds_dicom
    monkeypatch.setattr(paths, "holds_dicom", lambda folder: looked_at.append(folder) or look(folder))
    neighbours = paths.Neighbours()
    for row in range(5):
        assert paths.resolve_file(tmp_path, f"export#{row}", f"row {row}", neighbours) == tmp_path / f"export#{row}"
    assert looked_at == [tmp_path / "export"]

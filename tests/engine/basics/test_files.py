"""Files are whole or absent, whatever goes wrong while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wardround.engine.basics import files
from wardround.engine.basics.files import (
    append_durably,
    read_json_lines,
    replacing,
    require_space,
    write_atomic,
    write_private,
)
from wardround.engine.basics.problems import InputError


def test_content_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError), replacing(path) as temporary:
        temporary.open("ab").write("a text where bytes must be")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_durable_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(files, "fsync_file", lambda path: order.append("bytes"))
    monkeypatch.setattr(files, "fsync_folder", lambda path: order.append("folder"))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("rename"), replace(self, target))[1])
    write_atomic(tmp_path / "file", b"x")
    assert order == ["bytes", "rename", "folder"]


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), replacing(tmp_path / "file"), open("/dev/full", "wb") as full:
        full.write(b"x" * 100_000)
    assert not list(tmp_path.iterdir())


def test_a_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    path = tmp_path / "log" / "events.jsonl"
    append_durably(path, '{"a": "ä"}')
    append_durably(path, "{}")
    assert path.read_text(encoding="utf-8") == '{"a": "ä"}\n{}\n'


def test_space_is_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1, "a test")
    status = os.statvfs(tmp_path)
    with pytest.raises(InputError, match="too full for the store") as caught:
        require_space(tmp_path / "not" / "yet", status.f_frsize * status.f_blocks * 10, "the store")
    assert "MB free" in caught.value.problems[0].got
    assert not (tmp_path / "not").exists()


def test_a_line_after_a_torn_one_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_durably(path, '{"n": 1}')
    with path.open("ab") as handle:
        handle.write(b'{"n": 2, "cut o')
    append_durably(path, '{"n": 3}')
    assert [entry["n"] for entry in read_json_lines(path)] == [1, 3]


def test_other_files_have_the_permissions_that_the_user_gives_to_new_files(tmp_path: Path) -> None:
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_bytes(b"x")
    write_atomic(atomic, b"x")
    assert atomic.stat().st_mode == plain.stat().st_mode

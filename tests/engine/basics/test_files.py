"""Files are whole or absent, whatever goes wrong while they are written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.basics import files
from wardround.engine.basics.files import (
    DamagedError,
    Rotation,
    append_durably,
    private_folder,
    read_checked,
    read_json_lines,
    replacing,
    require_space,
    rotate,
    rotated_files,
    sweep_left_overs,
    write_atomic,
    write_checked,
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
    path = tmp_path / "file"
    with pytest.raises(OSError, match="No space left") as caught, replacing(path), open("/dev/full", "wb") as full:
        full.write(b"x" * 100_000)
    assert not list(tmp_path.iterdir())
    assert caught.value.filename == str(path)


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
    assert caught.value.problems[0].got.endswith("B free")
    assert not (tmp_path / "not").exists()


def test_what_is_short_by_little_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: 3_000)
    with pytest.raises(InputError, match=r"got 3 KB free; expected 42 KB"):
        require_space(tmp_path, 42_000, "the store")


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


@given(content=st.binary(max_size=200), position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_checked_file_gives_its_bytes_or_says_that_it_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, position: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("checked") / "file"
    write_checked(path, content)
    assert read_checked(path) == content
    written = bytearray(path.read_bytes())
    written[position % len(written)] ^= 1 << bit
    path.write_bytes(written)
    with pytest.raises(DamagedError) as caught:
        read_checked(path)
    assert caught.value.path == path


def test_a_record_of_the_first_release_is_read_without_a_digest(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(b'{"a":1}')
    assert read_checked(tmp_path / "old.json") == b'{"a":1}'


def test_the_temporary_file_of_a_killed_process_is_swept_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from wardround.engine.basics.files import replacing\n"
        "with replacing(Path(sys.argv[1]) / 'inner' / ('x' * 60)):\n    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    (left,) = (tmp_path / "inner").iterdir()
    own = [tmp_path / "inner" / name for name in ("notes.tmp", ".model.bin.tmp", ".hidden", "model.bin")]
    for path in own:
        path.write_bytes(b"somebody's own file")
    assert sweep_left_overs(tmp_path, older_than=3600) == ()
    assert sweep_left_overs(tmp_path) == (left,)
    assert sorted((tmp_path / "inner").iterdir()) == sorted(own)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_private_folder_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        (tmp_path / "open").mkdir(mode=0o777)
        for name in ("open", "new"):
            assert stat.S_IMODE(private_folder(tmp_path / name).stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_full_log_is_set_aside_and_read_in_order(tmp_path: Path) -> None:
    path, rotation = tmp_path / "log.jsonl", Rotation(limit=100, kept=3)
    for number in range(60):
        rotate(path, rotation)
        append_durably(path, f'{{"number": {number}}}')
    files = rotated_files(path)
    assert [file.name for file in files] == ["log.jsonl.3", "log.jsonl.2", "log.jsonl.1", "log.jsonl"]
    assert all(file.stat().st_size < 120 for file in files)
    numbers = [content["number"] for file in files for content in read_json_lines(file)]
    assert numbers == list(range(60 - len(numbers), 60))
    assert len(numbers) > 20

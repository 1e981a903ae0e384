"""No file is replaced that the command did not make."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.made import RECORD, Made
from wardround.engine.basics.problems import InputError


def _write(folder: Path, content: bytes, command: str = "wardround predict") -> None:
    with Made(folder, command).writing("a.png") as path:
        write_atomic(path, content)


def test_what_a_command_made_it_may_make_again(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"one"):
        _write(tmp_path / "out", content)
        assert (tmp_path / "out" / "a.png").read_bytes() == content
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", RECORD}


def test_what_somebody_else_made_stays(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a true mask")
    with pytest.raises(InputError, match="no record of having made"):
        _write(tmp_path, b"one")
    assert (tmp_path / "a.png").read_bytes() == b"a true mask"


def test_what_was_changed_since_stays(tmp_path: Path) -> None:
    _write(tmp_path, b"one")
    (tmp_path / "a.png").write_bytes(b"corrected by hand")
    with pytest.raises(InputError, match="was changed since"):
        _write(tmp_path, b"two")
    assert (tmp_path / "a.png").read_bytes() == b"corrected by hand"


def test_another_commands_files_are_not_its_own(tmp_path: Path) -> None:
    _write(tmp_path, b"one")
    with pytest.raises(InputError, match="`wardround evaluate` would write"):
        _write(tmp_path, b"two", "wardround evaluate")


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_link_is_not_its_own(target: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"a true mask")
    (tmp_path / "a.png").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match="no record"):
        _write(tmp_path, b"one")
    assert (tmp_path / "there").read_bytes() == b"a true mask"


def test_a_link_in_the_place_of_its_own_file_stays(tmp_path: Path) -> None:
    _write(tmp_path, b"one")
    (tmp_path / "b.png").write_bytes(b"one")
    (tmp_path / "a.png").unlink()
    (tmp_path / "a.png").symlink_to("b.png")
    with pytest.raises(InputError, match="changed since"):
        _write(tmp_path, b"two")
    assert (tmp_path / "b.png").read_bytes() == b"one"


def test_a_command_that_was_killed_before_its_file_took_the_name_goes_on(tmp_path: Path) -> None:
    _write(tmp_path, b"one")
    record = (tmp_path / RECORD).read_text()
    with pytest.raises(KeyboardInterrupt), Made(tmp_path, "wardround predict").writing("a.png"):
        raise KeyboardInterrupt
    assert (tmp_path / RECORD).read_text() == record
    assert (tmp_path / "a.png").read_bytes() == b"one"
    _write(tmp_path, b"two")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", RECORD}


def test_all_names_are_counted_and_a_folder_is_proposed_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "predictions").mkdir()
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        Made(tmp_path, "wardround predict").require_free([*names, "new.png"], "predictions")
    told = str(caught.value)
    assert "12 files lie here already" in told
    assert "0.png, 1.png, 2.png, 3.png, 4.png and 7 more" in told
    assert "`--out predictions-2`" in told

"""Files that decide whom a machine trusts belong to their owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.keeping import SECRETS, SETTINGS, Spoil
from wardround.engine.basics.files import write_private, write_settings
from wardround.engine.basics.keeping import Kept, check_kept, require_kept
from wardround.engine.basics.problems import Findings, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


@pytest.mark.parametrize("spoil", SETTINGS.values(), ids=list(SETTINGS))
def test_settings_that_others_may_change_are_refused(
    folder: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(folder / "site.yaml", b"x")
    require_kept(folder / "site.yaml", Kept.SETTINGS, "site file")
    said = spoil(folder / "site.yaml", monkeypatch)
    with pytest.raises(InputError, match=said):
        require_kept(folder / "site.yaml", Kept.SETTINGS, "site file")


@pytest.mark.parametrize("spoil", SECRETS.values(), ids=list(SECRETS))
def test_secrets_that_others_may_read_are_refused(folder: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(folder / "a.key", b"x")
    require_kept(folder / "a.key", Kept.SECRET, "private key")
    said = spoil(folder / "a.key", monkeypatch)
    with pytest.raises(InputError, match=said):
        require_kept(folder / "a.key", Kept.SECRET, "private key")


def test_everything_is_said_at_once_and_once(folder: Path) -> None:
    findings = Findings()
    for name in ("a.key", "b.key"):
        write_private(folder / name, b"x")
        (folder / name).chmod(0o666)
    folder.chmod(0o777)
    for name in ("a.key", "b.key", "absent.key"):
        check_kept(folder / name, Kept.SECRET, "private key", findings)
    assert [problem.where for problem in findings.problems] == [
        str(folder / "a.key"),
        str(folder),
        str(folder / "b.key"),
    ]


def test_a_folder_for_everybody_with_the_sticky_bit_is_no_danger(folder: Path) -> None:
    write_settings(folder / "site.yaml", b"x")
    folder.chmod(0o1777)
    require_kept(folder / "site.yaml", Kept.SETTINGS, "site file")


def test_a_folder_of_a_group_may_hold_settings_but_no_secrets(folder: Path) -> None:
    write_settings(folder / "site.yaml", b"x")
    write_private(folder / "a.key", b"x")
    folder.chmod(0o770)
    require_kept(folder / "site.yaml", Kept.SETTINGS, "site file")
    with pytest.raises(InputError, match="another file in its place"):
        require_kept(folder / "a.key", Kept.SECRET, "private key")

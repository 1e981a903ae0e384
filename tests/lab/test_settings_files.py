"""Changing a settings file."""

from __future__ import annotations

from pathlib import Path

from wardround.lab.settings_files import change_settings


def test_keys_change_and_comments_and_mode_stay(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("# mine\nschema: 1   # first\ndevice: auto   # which\n")
    path.chmod(0o640)
    change_settings(path, {"device": "cpu", "threads": 2})
    assert path.read_text() == "# mine\nschema: 1   # first\ndevice: cpu    # which\nthreads: 2\n"
    assert path.stat().st_mode & 0o777 == 0o640

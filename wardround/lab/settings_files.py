"""Change keys of a YAML settings file and keep its comments, as a person with an editor would."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue
from ruamel.yaml import YAML

from wardround.engine.basics.files import write_atomic


def change_settings(path: Path, changes: Mapping[str, JsonValue]) -> None:
    """Set top-level keys of a YAML file; its mode and its comments stay."""
    mode = path.stat().st_mode & 0o777
    editor = YAML()
    content = editor.load(path.read_text())
    content.update(changes)
    text = io.StringIO()
    editor.dump(content, text)
    write_atomic(path, text.getvalue().encode())
    path.chmod(mode)

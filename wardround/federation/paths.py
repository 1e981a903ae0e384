"""Paths as people write them into a settings file: what only a shell would understand is told as that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

_VARIABLE = re.compile(r"\$[A-Za-z_]\w*(/|$)|.*\$\{\w+\}|%\w+%|\$env:", re.IGNORECASE)
_HOME = re.compile(r"~[^/]*/|~$")
_EXAMPLE = "/home/anna/data"


def flaw_of_whole(text: str) -> str:
    """What is wrong with a path that has to stand for itself; empty where nothing is."""
    if _HOME.match(text):
        return f"`~` means nothing here: write the whole path, such as {_EXAMPLE}"
    return _of_a_shell(text)


def _of_a_shell(text: str) -> str:
    """What is wrong with a path that only a shell or a browser would understand."""
    if _VARIABLE.match(text):
        return f"variables of a shell mean nothing here: write the whole path, such as {_EXAMPLE}"
    if text.lower().startswith("file:"):
        return f"write the path alone, without `file:` and its slashes, such as {_EXAMPLE}"
    return ""


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if said := _of_a_shell(value):
        raise ValueError(said)
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"this machine knows no such home folder: write the whole path, such as {_EXAMPLE}") from None
    return value


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if said := flaw_of_whole(value):
        raise ValueError(said)
    return value


HomePath = Annotated[Path, BeforeValidator(_plain)]
"""A path that may begin with `~`, which its reader replaces."""

WholePath = Annotated[Path, BeforeValidator(_whole)]
"""A path that stands for itself."""

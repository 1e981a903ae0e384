"""What is wrong with a `dataset.json`, and which of its names a study cannot have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from wardround.engine.basics.problems import Findings
from wardround.engine.study.labels import BACKGROUND
from wardround.engine.study.names import plain_name

FILE = "dataset.json"
_LONGEST = 120


@dataclass
class Notebook:
    """Notes while a description is read.

    Attributes:
        findings: what is wrong.
        renamed: names that a study cannot have, with those that stand for them.
    """

    findings: Findings = field(default_factory=Findings)
    renamed: dict[str, str] = field(default_factory=dict)

    def tell(self, key: str, what: str, got: str, expected: str, remedy: str = "") -> None:
        """Note one problem of a key."""
        self.findings.add(what, where=f"{FILE}, {key}", got=got, expected=expected, remedy=remedy)

    def name(self, key: str, found: Any) -> str:
        """A name as a study can have it; empty, and a problem, where nothing is left of it."""
        plain = plain_name(found) if isinstance(found, str) else ""
        if not plain or plain.lower() == BACKGROUND:
            self.tell(key, "this is no name", shown(found), "a name of letters and digits")
            return ""
        if plain != found:
            self.renamed[str(found)] = plain
        return plain


def shown(value: Any) -> str:
    """A value of the file in a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "nothing" if value is None else text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

"""What is said of a configuration: what a study has otherwise, and what GaNDLF makes of it without a word."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wardround.engine.basics.flaws import written
from wardround.engine.basics.problems import Findings


class About(Enum):
    """Whose doing a note tells of."""

    STUDY = "here"
    GANDLF = "in GaNDLF"


@dataclass(frozen=True)
class Note:
    """One sentence about a key.

    Attributes:
        about: the study, which has something otherwise, or GaNDLF 0.1.5, which does otherwise than the configuration
            says.
        key: of the configuration, such as `model.norm_type`.
        text: what its owner should know.
        section: the section of the study that it concerns.
    """

    about: About
    key: str
    text: str
    section: str

    @property
    def sentence(self) -> str:
        """The note in a line."""
        return f"{self.key}, {self.about.value}: {self.text}"


@dataclass
class Notes:
    """Notes while a configuration is read.

    Attributes:
        file: its name.
        findings: what is wrong with it.
        found: the notes.
        section: the section of the study that is being made.
    """

    file: str
    findings: Findings = field(default_factory=Findings)
    found: list[Note] = field(default_factory=list)
    section: str = ""

    def here(self, key: str, text: str) -> None:
        """Note what the study has otherwise."""
        self._add(Note(About.STUDY, key, text, self.section))

    def there(self, key: str, text: str) -> None:
        """Note what GaNDLF does otherwise than the configuration says."""
        self._add(Note(About.GANDLF, key, text, self.section))

    def wrong(self, key: str, what: str, got: Any, expected: str, remedy: str = "") -> None:
        """Note one problem of a key, for which no study is made."""
        self.findings.add(what, where=f"{self.file}, {key}", got=written(got), expected=expected, remedy=remedy)

    def _add(self, note: Note) -> None:
        if note not in self.found:
            self.found.append(note)

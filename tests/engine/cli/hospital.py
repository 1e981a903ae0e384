"""A hospital's folder for the tests of commands, and how `wardround check` is run on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.commands import Outcome, run_wardround
from tests.support.studies import write_study

SHAPE = (24, 28, 20)
"""Voxels of each case."""


class Hospital:
    """A folder with a study, a manifest and six cases, of which a test spoils something."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, folder / "data.csv"

    def study(self, content: dict[str, Any]) -> None:
        """Write another study."""
        write_study(self.folder / "study.yaml", content)

    def image(self, number: int) -> Path:
        """The image of one case."""
        return self.folder / "images" / f"case_{number:03d}.nii.gz"

    def mask(self, number: int) -> Path:
        """The mask of one case."""
        return self.folder / "labels" / f"case_{number:03d}.nii.gz"

    def edit(self, old: str, new: str) -> None:
        """Change the manifest's text."""
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new, 1))

    def check(self, *options: str) -> Outcome:
        """Run the command; it must write nothing."""
        before = self._tree()
        outcome = run_wardround("check", self.folder / "study.yaml", "--manifest", self.manifest, *options)
        assert self._tree() == before
        return outcome

    def refuse(self, *words: str, options: tuple[str, ...] = ()) -> str:
        """Run the command, which must end with code 2 and tell all of `words` in one problem."""
        outcome = self.check(*options)
        assert outcome.code == 2, outcome
        assert "Traceback" not in outcome.err
        assert outcome.out == ""
        problems = outcome.err.split("error: ")[1:]
        fitting = [problem for problem in problems if all(word in problem for word in words)]
        assert len(fitting) == 1, problems
        return outcome.err

    def _tree(self) -> dict[Path, tuple[int, int]]:
        files = self.folder.rglob("*")
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()}

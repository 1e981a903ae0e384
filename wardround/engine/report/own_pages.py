"""What a training's pages are called, and whether one that is there was made by a training."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.folds import LEADERBOARD, is_leaderboard

REPORT, ALL_FOLDS = "report.html", ": all folds"
"""The file of a page, and how the title of one ends that compares splits."""
_HEAD = 2000
"""Characters of a page that hold its title."""


def require_own_comparison(folder: Path) -> None:
    """Raise `InputError` where the table or the page that compares splits would replace something else."""
    table, page = folder / LEADERBOARD, folder / REPORT
    foreign = [path.name for path, is_own in ((table, is_leaderboard), (page, _compares)) if not is_own(path)]
    if foreign:
        raise InputError.one(
            "something is there already that would be replaced and that `wardround fit` did not make",
            where=str(folder),
            got=" and ".join(foreign),
            expected="a new folder, or that of an earlier run",
            remedy="Nothing was replaced: name another folder with --out",
        )


def _compares(page: Path) -> bool:
    """Whether a page is that of several splits, or there is none yet."""
    if not page.exists() and not page.is_symlink():
        return True
    return page.is_file() and f"{ALL_FOLDS}</title>" in page.read_text(encoding="utf-8", errors="replace")[:_HEAD]

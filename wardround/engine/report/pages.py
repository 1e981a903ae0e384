"""The pages of a training, for whoever conducts it; drawing is loaded with the first of them.

A training needs its pages at its end alone: what draws takes half a second to import, and the first step would wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.folds import LEADERBOARD, is_leaderboard

if TYPE_CHECKING:
    from wardround.engine.experiments.fit import RunResult
    from wardround.engine.experiments.folds import Leaderboard
    from wardround.engine.experiments.workbench import Workbench

REPORT, ALL_FOLDS = "report.html", ": all folds"
"""The file of a page, and how the title of one ends that compares splits."""
_HEAD = 2000
"""Characters of a page that hold its title."""


class RunPages:
    """The pages of a training (`experiments.conducting.Pages`)."""

    def require_own(self, out: Path) -> None:
        """As `require_own_comparison`."""
        require_own_comparison(out)

    def of_run(self, workbench: Workbench, result: RunResult, name: str) -> Path:
        """As `runs.write_run_report`."""
        from wardround.engine.report.runs import write_run_report

        return write_run_report(workbench, result, name)

    def of_splits(self, workbench: Workbench, board: Leaderboard, out: Path) -> Path:
        """As `runs.write_leaderboard_report`, in the units of the cohort's columns."""
        from wardround.engine.report.runs import write_leaderboard_report
        from wardround.engine.report.units import Units

        units = Units.of_cases(workbench.study, workbench.cohort.cases)
        return write_leaderboard_report(workbench.study, board, units, out)


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

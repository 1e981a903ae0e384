"""The pages of a training, for whoever conducts it; drawing is loaded with the first of them.

A training needs its pages at its end alone: what draws takes half a second to import, and the first step would wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wardround.engine.report.own_pages import require_own_comparison

if TYPE_CHECKING:
    from wardround.engine.experiments.fit import RunResult
    from wardround.engine.experiments.folds import Leaderboard
    from wardround.engine.experiments.workbench import Workbench


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

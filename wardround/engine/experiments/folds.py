"""Several splits of one cohort, one after another, and the table that compares them."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.loudness import note
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import NamedSplit
from wardround.engine.experiments.casetables import Distribution, distribution
from wardround.engine.experiments.claims import RUN
from wardround.engine.experiments.fit import RunResult, finished_run, fit, planned_length, tell_trackers
from wardround.engine.experiments.learned import write_learned
from wardround.engine.experiments.tracking.following import UNTRACKED, Tracking
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.intervals import of_folds
from wardround.engine.metrics.scores import Interval
from wardround.engine.parts import Kind
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitted_words import fitted_sentence
from wardround.engine.study import Study

LEADERBOARD = "leaderboard.csv"
ShowProgress = Callable[[str, int], AbstractContextManager[Progress]]
Tell = Callable[[Workbench, RunResult, str], object]
"""Is given a split, the result of its run, and its name."""


@dataclass(frozen=True)
class Leaderboard:
    """Results of several splits.

    Attributes:
        results: each run's result by the split's name.
        scores: how each metric of the test sets (of the validation sets where there is no test set) is distributed
            over the splits. The interval of its mean knows that training sets have cases in common, and that inner
            folds are tested with the same ones; there is none of a single test set.
    """

    results: dict[str, RunResult]
    scores: dict[str, Distribution]


def no_page(workbench: Workbench, result: RunResult, name: str) -> None:
    """Nothing is told of a run."""


def fit_splits(
    workbench: Workbench,
    splits: Sequence[NamedSplit],
    folder: Path,
    show: ShowProgress,
    tell: Tell = no_page,
    tracking: Tracking = UNTRACKED,
) -> Leaderboard:
    """Fit every split into its own folder under `folder`; finished ones are not done again.

    `tell` is given each run as soon as it is finished, while its cases are in the store: those that were prepared for
    this split alone make room for the next one's. Trackers are told what they lack of finished runs too.

    Raises `InputError` with every split whose preprocessing cannot be fitted before any is trained.
    """
    results, told = dict[str, RunResult](), set[str]()
    for name, bench in benches_of(workbench, splits).items():
        if bench.state.steps:
            note(f"{name}: {fitted_sentence(bench.study, bench.state)}")
        done = finished_run(bench, folder / name)
        if done is not None:
            tell_trackers(bench.study, done, tracking)
        results[name] = done or _trained(bench, folder / name, show, told, tracking)
        write_learned(folder / name, bench)  # now it is known that the folder holds this very run
        tell(bench, results[name], name)
        bench.release()
    board = Leaderboard(results, _across(workbench.study, splits, results))
    if len(splits) > 1:
        write_atomic(folder / LEADERBOARD, _csv(board).encode())
    return board


def benches_of(workbench: Workbench, splits: Sequence[NamedSplit]) -> dict[str, Workbench]:
    """A workbench for each split, which knows what its preprocessing learns of its training cases; no case is prepared
    yet. Raises `InputError` with every split whose preprocessing cannot be fitted."""
    unfitted = workbench.with_splits({named.name: named.split for named in splits})
    return {name: unfitted[name].knowing(state) for name, state in _states(unfitted).items()}


def _trained(bench: Workbench, folder: Path, show: ShowProgress, told: set[str], tracking: Tracking) -> RunResult:
    """Prepare the cases of a split and fit it."""
    bench.prepare()
    if bench.state.steps:
        _tell_padding(bench, told)
    with show(f"Training {folder.name}", planned_length(bench).total_steps) as shown:
        if not (folder / RUN).exists():
            write_learned(folder, bench)
        return fit(bench, folder, shown, tracking)


def _states(benches: Mapping[str, Workbench]) -> dict[str, FittedState]:
    """What the preprocessing of every split learns. Raises `InputError` with all that cannot be fitted, by name."""
    findings, states = Findings(), dict[str, FittedState]()
    for name, bench in benches.items():
        try:
            states[name] = bench.learn()
        except InputError as error:
            findings.extend(_in_split(name, problem) for problem in error.problems)
    findings.raise_if_any()
    return states


def _in_split(name: str, problem: Problem) -> Problem:
    return replace(problem, where=f"{name}, {problem.where}" if problem.where else name)


def _tell_padding(bench: Workbench, told: set[str]) -> None:
    """What could not be told before the values of the cases were known; of the same cases once, not for each split."""
    for notice in bench.padding_notices():
        if notice.what not in told:
            told.add(notice.what)
            note(f"note: {notice.render()}")


def scores_of(result: RunResult) -> dict[str, float]:
    """A run's scores on its test set, or on its validation set where there is none."""
    metrics = result.metrics
    return (metrics.test or metrics.validation).values


@dataclass(frozen=True)
class SplitSizes:
    """A split by its name, with how many cases it is tested with and learns from."""

    name: str
    tested: int
    trained: int


def _across(study: Study, splits: Sequence[NamedSplit], results: Mapping[str, RunResult]) -> dict[str, Distribution]:
    """How each score is distributed over the splits, with the interval of its mean."""
    return across(study, {name: scores_of(result) for name, result in results.items()}, _by_test_set(splits))


def across(
    study: Study, scores: Mapping[str, Mapping[str, float]], sets: Sequence[Sequence[SplitSizes]]
) -> dict[str, Distribution]:
    """How each score is distributed over splits, with the interval of its mean.

    `scores` are those of each split by its name; `sets` has the splits that are tested with the same cases together.
    """
    found = {}
    for metric in sorted({name for each in scores.values() for name in each}):
        values = {name: each[metric] for name, each in scores.items() if metric in each}
        found[metric] = replace(distribution([*values.values()]), interval=_interval(study, metric, values, sets))
    return found


def _by_test_set(splits: Sequence[NamedSplit]) -> list[tuple[SplitSizes, ...]]:
    """Splits that are tested with the same cases together, as inner folds are."""
    found: dict[frozenset[str], list[SplitSizes]] = {}
    for named in splits:
        sizes = SplitSizes(named.name, len(named.split.test), len(named.split.train))
        found.setdefault(frozenset(case.subject for case in named.split.test), []).append(sizes)
    return [tuple(group) for group in found.values()]


def _interval(
    study: Study, metric: str, values: Mapping[str, float], sets: Sequence[Sequence[SplitSizes]]
) -> Interval | None:
    """That of the mean over the test sets, of each of which the mean of its splits counts; within what the metric can
    be. None where a test set has no score, which would weigh the others wrongly."""
    known = [[values[split.name] for split in group if split.name in values] for group in sets]
    if not all(known):
        return None
    tested = statistics.fmean(split.tested for group in sets for split in group)
    trained = statistics.fmean(split.trained for group in sets for split in group)
    interval = of_folds([statistics.fmean(each) for each in known], tested, trained)
    return None if interval is None else _within(study, metric, interval)


def _within(study: Study, metric: str, interval: Interval) -> Interval:
    """The interval as far as the metric can be; Student's t knows no bounds."""
    use = {use.name: use for use in study.validation.metrics}.get(metric.partition(".")[0])
    if use is None:
        return interval
    bounds = use.part(Kind.METRIC).bounds
    return Interval(max(interval.low, bounds.least), min(interval.high, bounds.most))


def is_leaderboard(path: Path) -> bool:
    """Whether a file is a table of splits as it is written here, or there is none yet."""
    if not path.exists() and not path.is_symlink():
        return True
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return bool(lines) and lines[0].startswith("Split,") and lines[-1].startswith("splits,")


def _csv(board: Leaderboard) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["Split", *board.scores])
    for name, result in board.results.items():
        writer.writerow([name, *(scores_of(result).get(metric, "") for metric in board.scores)])
    writer.writerow(["mean", *(score.mean for score in board.scores.values())])
    writer.writerow(["spread", *(score.spread for score in board.scores.values())])
    ends = [("", "") if each.interval is None else astuple(each.interval) for each in board.scores.values()]
    writer.writerow(["95 % CI from", *(low for low, _ in ends)])
    writer.writerow(["95 % CI to", *(high for _, high in ends)])
    writer.writerow(["splits", *(score.count for score in board.scores.values())])
    return buffer.getvalue()

"""`aggregator undo ROUND`: back to before a round that was committed. Its folder is moved aside, not deleted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.coordination import absolute_folders, read_federation
from wardround.aggregator.enrolment import read_roster
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.outputs import BEST, LAST, REPORT, Outputs
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Selection
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.scalars import Scalars
from wardround.engine.basics.files import fsync_folder
from wardround.engine.basics.problems import InputError
from wardround.engine.study import study_from_bytes

_HISTORY = ("history.jsonl", "history.csv")


@dataclass(frozen=True)
class Undone:
    """What was undone: rounds `first` to `last` lie in `folder` now; the run goes on with `first`."""

    first: int
    last: int
    folder: Path


def undo_rounds(config: Path, first: int) -> Undone:
    """Undo a round and those after it, of a run that stands still.

    Raises:
        InputError: an aggregator runs, there is no such round, or the model before it is no longer kept.
    """
    home, settings = read_federation(config)
    folders = absolute_folders(home, settings.folders)
    state = StateFolder(folders.state)
    with state.locked():
        last = _last_round(state)
        if not 1 <= first <= last:
            expected = f"1 to {last}" if last else "a run that has begun"
            raise InputError.one("there is no such round", where=str(state.root), got=str(first), expected=expected)
        _refuse_earlier_plan(state, first)
        results = _results_before(state, first)
        state.reopen()
        undone = Undone(first, last, _move_aside(state, first, last))
        journal = Journal(state.journal_path, lambda entry: None)
        journal.record(Event.ROUNDS_UNDONE, round=first, last=last, folder=str(undone.folder))
        _show(state, folders.results, read_roster(folders.roster).names, results)
    return undone


def _refuse_earlier_plan(state: StateFolder, first: int) -> None:
    plan = state.pinned()
    if plan is not None and plan.after is not None and first < plan.first_round:
        raise InputError.one(
            "that round belongs to the plan before, which this one carries on",
            where=str(state.root),
            got=str(first),
            expected=f"{plan.first_round} or later",
        )


def _last_round(state: StateFolder) -> int:
    numbers = [int(path.name) for path in (state.root / "rounds").glob("*") if path.name.isdecimal()]
    return max(numbers, default=0)


def _results_before(state: StateFolder, first: int) -> tuple[RoundResult, ...]:
    """The rounds that stay. Raises `InputError` unless the run can go on from the last of them."""
    results = tuple(state.round(number).result() for number in range(1, first))
    whole = tuple(result for result in results if result is not None)
    if len(whole) < len(results):
        raise InputError.one("an earlier round is not complete", where=str(state.root), expected="an earlier round")
    if whole:
        try:
            state.arrays.read(whole[-1].model)
            state.arrays.read(whole[-1].state)
        except InputError as error:
            raise InputError.one(
                f"the model of round {first - 1}, from which the run would go on, is not kept",
                where=error.problems[0].where,
                remedy="Undo fewer rounds (as many as `keep_rounds` in the federation file), round 1 and with it all, "
                "or restore the state folder from a copy",
            ) from None
    return whole


def _move_aside(state: StateFolder, first: int, last: int) -> Path:
    """From the last round on, so that a crash on the way leaves a run of fewer rounds."""
    root = state.root / "undone"
    root.mkdir(exist_ok=True)
    folder = root / f"{1 + max((int(path.name) for path in root.glob('*') if path.name.isdecimal()), default=0):04d}"
    folder.mkdir()
    for number in range(last, first - 1, -1):
        source = state.round(number).folder
        if source.exists():
            source.rename(folder / source.name)
            fsync_folder(source.parent)
    fsync_folder(folder)
    return folder


def _show(state: StateFolder, folder: Path, names: tuple[str, ...], results: tuple[RoundResult, ...]) -> None:
    """History, models and report of the rounds that stay."""
    plan = state.pinned()
    if plan is None or not results:
        for name in (*_HISTORY, REPORT):
            (folder / name).unlink(missing_ok=True)
        for name in (BEST, LAST):
            shutil.rmtree(folder / name, ignore_errors=True)
        return
    study = study_from_bytes((state.root / "study.json").read_bytes())
    outputs = Outputs(folder, plan, study, names, state.arrays, Scalars(folder / "tensorboard"))
    best = Selection.of(study).best(results)
    outputs.show(results, best)
    outputs.report(results, best)
    outputs.scalars.close()

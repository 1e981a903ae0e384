"""`aggregator undo ROUND`: back to before a round that was committed. Its folder is moved aside, not deleted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.coordination import absolute_folders, read_federation
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.enrolment import read_roster
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Selection
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.showing.models import BEST, LAST, REPORT, Outputs
from wardround.aggregator.showing.tensorboard import Scalars
from wardround.engine.basics.files import fsync_folder
from wardround.engine.basics.problems import InputError
from wardround.engine.study import study_from_bytes
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import USUAL_ALLOWANCE
from wardround.federation.stages import TERMS

_HISTORY = ("history.jsonl", "history.csv")


@dataclass(frozen=True)
class Undone:
    """What was undone: rounds `first` to `last` lie in `folder` now; the run goes on with `first`."""

    first: int
    last: int
    folder: Path


@dataclass(frozen=True)
class Foreseen:
    """What an undo comes to, for the coordinator to know before it is done.

    Attributes:
        first, last: the rounds that it undoes, an open one included.
        before: rounds that were undone already under the plan of now, and done again.
        scored: whether the final evaluation is among them, for which sites score their test cases.
        fitted: whether there are values that preprocessing was fitted to, which stay.
    """

    first: int
    last: int
    before: int
    scored: bool
    fitted: bool = False

    @property
    def again(self) -> int:
        """Pieces of work that a site does again under this plan, at most."""
        return self.before + self.last - self.first + 1


def foresee(config: Path, first: int) -> Foreseen:
    """What undoing a round and those after it comes to. Raises `InputError` as `undo_rounds` does."""
    home, settings = read_federation(config)
    state = StateFolder(absolute_folders(home, settings.folders).state)
    with state.locked():
        last = _last_round(state)
        _check(state, first, last)
        order = state.round(last).order()
        scored = order is not None and TERMS[order.stage].scores_tests
        return Foreseen(first, last, _undone_before(state), scored, state.fitted_path.exists())


def describe_foreseen(found: Foreseen) -> tuple[str, ...]:
    """The same in plain words: what becomes of the rounds, and what the sites allow."""
    rounds = f"rounds {found.first} to {found.last}" if found.last > found.first else f"round {found.first}"
    start = f"the model of round {found.first - 1}" if found.first > 1 else "the first model"
    earlier = f", {found.before} of them for what was undone before" if found.before else ""
    return (
        f"This undoes {rounds}: the run then goes on from {start}. The rounds' folders are moved aside, not deleted.",
        "Sites go back with their optimisers' state where they still have it (that of the last rounds).",
        f"Each site does up to {found.again} rounds again under this plan{earlier}; its policy's `allowance` bounds "
        f"that: {USUAL_ALLOWANCE} where the hospital has not changed it.",
        *(_too_much(found) if found.again > USUAL_ALLOWANCE else ()),
        *(_SCORED if found.scored else ()),
        *(_FITTED if found.fitted and found.first == 1 else ()),
    )


_SCORED = (
    "The final model was given to the sites to score, and a site scores its test cases for no other of a plan. If",
    "the rounds give another one now, sites decline the final evaluation (test_already_scored): then stop, set",
    "`evaluation: {final: false}` in the federation file, and start again.",
)
_FITTED = (
    "What preprocessing was fitted to stays. To have it fitted anew, as without a site whose answers were wrong, go on",
    "from here with `aggregator remove` and `aggregator continue`: sites agree to be asked once for each plan, and are",
    "asked again under the new one.",
)


def _too_much(found: Foreseen) -> tuple[str, ...]:
    return (
        f"That is more: ask each site to set `allowance: {found.again}` in its policy.yaml. A site whose allowance "
        "is used up declines (beyond_agreement), and goes on as soon as it was raised.",
    )


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
        results = _check(state, first, last)
        state.reopen()
        undone = Undone(first, last, _move_aside(state, first, last))
        journal = Journal(state.journal_path, lambda entry: None)
        journal.record(Event.ROUNDS_UNDONE, round=first, last=last, folder=str(undone.folder))
        _show(state, folders.results, read_roster(folders.roster).names, results)
    return undone


def _check(state: StateFolder, first: int, last: int) -> tuple[RoundResult, ...]:
    """The rounds that stay. Raises `InputError` unless these can be undone."""
    if not 1 <= first <= last:
        expected = f"1 to {last}" if last else "a run that has begun"
        remedy = "Name one of these" if last else "Begin it with `aggregator --config federation.yaml`"
        raise InputError.one(
            "there is no such round", where=str(state.root), got=str(first), expected=expected, remedy=remedy
        )
    _refuse_earlier_plan(state, first)
    return _results_before(state, first)


def _undone_before(state: StateFolder) -> int:
    """Rounds that were undone under the plan of now. The sites keep an account of their own for each plan."""
    count = 0
    for entry in read_entries(state.journal_path):
        if entry.event == Event.RUN_CARRIED_ON:
            count = 0
        elif entry.event == Event.ROUNDS_UNDONE:
            first, last = entry.facts.get("round"), entry.facts.get("last")
            count += last - first + 1 if isinstance(first, int) and isinstance(last, int) else 0
    return count


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
                remedy=f"{_fewer(state, whole)}undo round 1 and with it all, or restore the state folder from a copy "
                "(`keep_rounds` in the federation file says how many rounds are kept for this)",
            ) from None
    return whole


def _fewer(state: StateFolder, before: tuple[RoundResult, ...]) -> str:
    """From which round on the run can go back instead: the first whose incoming model is kept."""
    for number in range(len(before) + 1, _last_round(state)):
        result = state.round(number).result()
        if result is not None and all(state.arrays.path(name).exists() for name in (result.model, result.state)):
            return f"Undo from round {number + 1} on, "
    return ""


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
    outputs = Outputs(folder, plan, study, names, state.arrays, Scalars(folder / "tensorboard"), state.fitted)
    best = Selection.of(study).best(results)
    if best is None:
        shutil.rmtree(folder / BEST, ignore_errors=True)
    outputs.show(results, best)
    outputs.report(results, best)
    outputs.scalars.close()

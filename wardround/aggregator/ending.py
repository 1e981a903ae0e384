"""The end of a run: told to the sites, unless the aggregator is merely stopped; and brought about by a command."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.coordination import Coordination, absolute_folders, read_federation
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.conclusion import Conclusion, Ending
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.records import Ended
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.rounds.switchboard import Exchange
from wardround.aggregator.settings import Federation
from wardround.engine.basics.problems import InputError
from wardround.federation.endings import EndReason
from wardround.federation.protocol import Plan


@dataclass(frozen=True)
class Ends:
    """Tells the sites how a run has ended."""

    coordination: Coordination
    loop: RoundLoop
    link: Exchange

    def tell(self, reason: EndReason, started: float) -> None:
        """Tell those that are there; until half a minute after the aggregator's start also those that come back."""
        self._conclusion(reason, started).tell()

    @contextlib.contextmanager
    def told_of_a_fault(self) -> Iterator[None]:
        """Where the block fails, tell the sites that are there before the program ends, and let nothing hinder that."""
        try:
            yield
        except Exception:
            with contextlib.suppress(Exception):  # the fault itself is what people must read
                self._conclusion(EndReason.FAULT, -Conclusion.reunion).tell()
            raise

    def _conclusion(self, reason: EndReason, started: float) -> Conclusion:
        found, results = self.coordination, self.loop.results
        trained = sum(result.trained for result in results)
        model = results[-1].model if results else None
        ending = Ending(found.plan, found.roster, found.key, trained, model, reason)
        return Conclusion(
            ending, self.loop.state, self.link, self.loop.journal, self.loop.clock, self.loop.cohorts, started
        )


def end_run(config: Path) -> bool:
    """End the run of a federation file for good; whether an aggregator runs, which ends then and tells the sites.

    Raises:
        InputError: nothing was run yet, or the run is complete.
    """
    state, plan = _unfinished(config)
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    state.end(Ended(plan=plan.digest, moment=moment))
    return state.is_locked()


def require_run(config: Path) -> None:
    """Raise `InputError` as `end_run` does where there is no run that could be ended."""
    _unfinished(config)


def reopen_run(config: Path) -> None:
    """Take a run up again that was ended. Raises `InputError` when it was not, or an aggregator still runs."""
    state, _, _ = _begun(config)
    with state.locked():
        if not state.is_ended:
            raise InputError.one("the run was not ended", where=str(state.root))
        Journal(state.journal_path, lambda entry: None).record(Event.RUN_REOPENED)
        state.reopen()


def _unfinished(config: Path) -> tuple[StateFolder, Plan]:
    state, plan, settings = _begun(config)
    if len(state.results()) >= plan.horizon.rounds + settings.evaluation.final:
        raise InputError.one(
            "the run is complete",
            where=str(state.root),
            remedy="Nothing is to be ended; `aggregator --config` tells sites that do not know it yet",
        )
    return state, plan


def _begun(config: Path) -> tuple[StateFolder, Plan, Federation]:
    home, settings = read_federation(config)
    state = StateFolder(absolute_folders(home, settings.folders).state)
    plan = state.pinned()
    if plan is None or not state.has_begun:
        raise InputError.one(
            "there is no run yet: no round has begun",
            where=str(state.root),
            remedy=f"Begin it with `aggregator --config {config}`",
        )
    return state, plan, settings

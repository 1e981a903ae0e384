"""The end of a run is told to the sites: to those that are there, to the others when the aggregator starts again."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.records import Told
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.rounds.switchboard import Exchange
from wardround.aggregator.rounds.timing import Clock
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.identities import CoordinatorKey, Member, Roster
from wardround.federation.protocol import (
    CONCLUDE,
    FEATURES,
    STOPPED,
    Concluded,
    Plan,
    Ready,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
)
from wardround.federation.sealing import SealError, open_reply, seal_task

_AT_ONCE = 16


@dataclass(frozen=True)
class Ending:
    """What is told: the plan, its rounds of training that are done, the digest of the last model if any, and why."""

    plan: Plan
    roster: Roster
    key: CoordinatorKey
    rounds: int
    model: str | None
    reason: EndReason = EndReason.COMPLETE


@dataclass
class Conclusion:
    """Tells every site that has not been told.

    Attributes:
        cohorts: what sites said at their hello, with the features of their release.
        silence: a site that was not heard for so many seconds is not there.
        reunion: seconds, from the aggregator's start, in which sites may come back.
        farewell: most seconds that a site which is there is given.
        pause: seconds between two looks at a site.
    """

    ending: Ending
    state: StateFolder
    link: Exchange
    journal: Journal
    clock: Clock
    cohorts: Mapping[str, Ready]
    started: float
    silence: float = 20.0
    reunion: float = 30.0
    farewell: float = 30.0
    pause: float = 0.5
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def tell(self) -> Told:
        """Tell the sites, within a bounded time; who was told, now or before."""
        untold = [member for member in self.ending.roster.members if member.name not in self._told().sites]
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="conclusion")
        try:
            list(pool.map(self._tell, untold))
        except KeyboardInterrupt:
            # The run has ended all the same: who was not told learns it another time.
            self._stopped.set()
        finally:
            self._stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return self._told()

    def _told(self) -> Told:
        held, nobody = self.state.told(), Told(plan=self.ending.plan.digest, reason=self.ending.reason)
        return held if held is not None and (held.plan, held.reason) == (nobody.plan, nobody.reason) else nobody

    def _tell(self, member: Member) -> None:
        """Ask a site until it has understood, or declines, or its time is over."""
        began, ready = self.clock.now(), self.cohorts.get(member.name)
        while not self._stopped.is_set() and self._is_worth_asking(member.name, began):
            if not self._is_there(member.name):
                self._later()
            elif ready is None:
                reply = self._ask(member, self._hello(member.name))
                if isinstance(reply, Refused) and self._conclude(member):
                    return  # it cannot work now, as for its cases; whether it takes the end is for itself to say
                if isinstance(reply, Ready):
                    ready = reply
                else:
                    self._later()
            elif self._needed not in ready.features or self._conclude(member):
                return  # a release that would not understand it, or all is said

    @property
    def _needed(self) -> str:
        """The feature of a site that can be told."""
        return CONCLUDE if self.ending.reason is EndReason.COMPLETE else STOPPED

    def _later(self) -> None:
        self._stopped.wait(self.pause)

    def _conclude(self, member: Member) -> bool:
        """Tell a site; whether there is no more to say."""
        reply = self._ask(member, self._conclusion(member.name))
        if isinstance(reply, Concluded):
            self._note(member.name)
        elif not isinstance(reply, Refused):
            self._later()
        return isinstance(reply, Concluded | Refused)

    def _is_there(self, site: str) -> bool:
        silent = self.link.seconds_since_seen(site)
        return silent is not None and silent <= self.silence

    def _is_worth_asking(self, site: str, began: float) -> bool:
        now = self.clock.now()
        end = began + self.farewell if self._is_there(site) else self.started + self.reunion
        return now < end

    def _hello(self, site: str) -> Task:
        plan, ask = self.ending.plan, secrets.token_hex(16)
        return Task(site=site, plan=plan.digest, stage=Stage.HELLO, round=0, ask=ask, offer=plan, features=FEATURES)

    def _conclusion(self, site: str) -> Task:
        ending, ask = self.ending, secrets.token_hex(16)
        return Task(
            site=site,
            plan=ending.plan.digest,
            stage=Stage.CONCLUDE,
            round=ending.rounds,
            base=ending.model,
            ask=ask,
            end=ending.reason,
        )

    def _ask(self, member: Member, task: Task) -> Reply | None:
        """The site's answer to this task, and to no other."""
        answer = self.link.exchange(member.name, seal_task(task, b"", self.ending.key), self.farewell)
        try:
            reply = None if answer is None else open_reply(answer, member.signing_key)[0]
        except SealError:
            return None
        if isinstance(reply, Ready | Concluded | Working | Refused) and (reply.site, reply.ask) == (
            member.name,
            task.ask,
        ):
            return reply
        return None

    def _note(self, site: str) -> None:
        with self._lock, contextlib.suppress(OSError):  # on a full disk: the site is told again another time
            told = self._told()
            self.state.tell(told.model_copy(update={"sites": tuple(sorted({*told.sites, site}))}))
            self.journal.record(Event.SITE_TOLD, site=site, detail=ending_line(self.ending.reason))

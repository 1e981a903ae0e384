"""Carries questions and answers between the conversations of the present round and the link: one thread per site.

A site's thread lasts for the whole run, so that a site is asked one thing at a time even while rounds change.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self

from wardround.aggregator.rounds.conversation import Conversation
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.rules import Action, Verdict
from wardround.aggregator.rounds.timing import Clock
from wardround.federation.envelope import Envelope

_TICK = 0.2
_INTAKE = 2
"""Updates that are checked and stored at a time. More of them wait in files of the link's, not in memory."""


class Exchange(Protocol):
    """The part of the link that conversations need."""

    def exchange(self, site: str, envelope: Envelope, timeout: float) -> Envelope | None:
        """Send one message to a site and wait at most `timeout` seconds for its answer."""

    def seconds_since_seen(self, site: str) -> float | None:
        """Seconds since the site was last heard; None if it never was."""


class SystemClock:
    """The machine's monotonic clock, and its wall clock."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()


class Gatherer(Protocol):
    """Brings a round's replies in."""

    def gather(self, gathering: Gathering) -> Verdict:
        """Converse with the sites until the round can go on or must stop, then close the conversations."""


class Switchboard:
    """A gatherer over a real link, as a context manager."""

    def __init__(
        self, link: Exchange, sites: Iterable[str], clock: Clock, interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """`interrupted` says whether somebody has asked for the end; whoever gathers is then interrupted."""
        self._interrupted = interrupted
        self._link = link
        self._clock = clock
        self._changed = threading.Condition()
        self._current: Gathering | None = None
        self._failure: BaseException | None = None
        self._stopped = False
        self._intake = threading.Semaphore(_INTAKE)
        self._threads = [
            threading.Thread(target=self._serve, args=(site,), name=f"site-{site}", daemon=True) for site in sites
        ]

    def __enter__(self) -> Self:
        """Start the sites' threads."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the threads to end; those inside an exchange end when the link closes."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def gather(self, gathering: Gathering) -> Verdict:
        """Converse until the round can go on or must stop. Raises what a site's thread raised, such as a full disk."""
        with self._changed:
            self._current = gathering
            self._changed.notify_all()
            try:
                return self._await_verdict(gathering)
            finally:
                self._current = None
                gathering.close()

    def _await_verdict(self, gathering: Gathering) -> Verdict:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._interrupted():
                raise KeyboardInterrupt
            now = self._clock.now()
            for site, conversation in gathering.conversations.items():
                conversation.observe(now, self._link.seconds_since_seen(site))
            verdict = gathering.judge(now)
            if verdict.action in (Action.FOLD, Action.STOP):
                return verdict
            self._changed.wait(_TICK)

    def _serve(self, site: str) -> None:
        try:
            while (conversation := self._next_conversation(site)) is not None:
                self._ask(conversation)
        except BaseException as error:  # handed to the round loop, which raises it in the main thread
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _next_conversation(self, site: str) -> Conversation | None:
        """The conversation of the present round, waiting for a round if there is none; None at the end."""
        with self._changed:
            while not self._stopped:
                if self._current is not None and site in self._current.conversations:
                    return self._current.conversations[site]
                self._changed.wait(_TICK)
        return None

    def _ask(self, conversation: Conversation) -> None:
        silent = self._link.seconds_since_seen(conversation.site)
        question = conversation.next(self._clock.now(), silent)
        if question is None:
            with self._changed:
                self._changed.wait(_TICK)
            return
        answer = self._link.exchange(conversation.site, question.envelope, question.timeout)
        if self._stopped:
            return
        with self._intake if answer is not None and answer.payload else contextlib.nullcontext():
            conversation.heard(question, answer, self._clock.now())
        with self._changed:
            self._changed.notify_all()

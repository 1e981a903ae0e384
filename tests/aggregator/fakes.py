"""A federation in memory: scripted sites, a clock that jumps, and a gatherer that plays events in order of time.

The sites seal true replies and open true tasks; only time, threads and the network are made up. A site's update is a
function of the incoming model and its name, so that a run's result can be computed beside it.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from wardround.aggregator.rounds.context import Question
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.rules import Action, Verdict
from wardround.aggregator.rounds.sites import SiteState
from wardround.engine.basics.canonical import canonical_model, sha256_hex
from wardround.engine.preprocessing.fitted import Window
from wardround.engine.preprocessing.fitting import merged
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.federation.envelope import Envelope
from wardround.federation.identities import CoordinatorKey, Member, Roster, SiteKeys
from wardround.federation.payload import pack, payload_digest, unpack
from wardround.federation.protocol import (
    CONCLUDE,
    STOPPED,
    STRATEGIES,
    TEST_CASES,
    Concluded,
    Done,
    MetricValue,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
)
from wardround.federation.sealing import open_task
from wardround.federation.stages import SURVEYS

Heard = tuple[Question, Envelope | None]
CORRELATION = "0123456789abcdef"
_TICK = 1.0


@cache
def seeded_keys(name: str) -> SiteKeys:
    """Keys that depend on the name alone: making fresh ones for each test costs more than the test."""
    seed = hashlib.sha256(name.encode()).digest()
    signing = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    return SiteKeys(signing, ec.derive_private_key(int.from_bytes(seed, "big"), ec.SECP384R1()))


def coordinator_key() -> CoordinatorKey:
    """The coordinator's key, always the same."""
    return CoordinatorKey(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"coordinator").digest()))


def roster_of(names: tuple[str, ...]) -> Roster:
    """A roster of sites with seeded keys."""
    members = [(name, seeded_keys(name)) for name in names]
    return Roster.of(
        tuple(
            Member(name=name, signing_key=keys.signing_public, transport_key=keys.transport_public)
            for name, keys in members
        )
    )


class FakeClock:
    """Time that stands still until it is moved. The wall's clock may be set to another hour."""

    def __init__(self) -> None:
        self.time = 0.0
        self.hour = 1_000_000.0

    def now(self) -> float:
        """Seconds since the start."""
        return self.time

    def wall(self) -> float:
        """What the clock on the wall shows."""
        return self.time + self.hour


def trained(base: Mapping[str, np.ndarray], site: str, number: int) -> dict[str, np.ndarray]:
    """What `site` makes of a model in a round: floats move by a hash of site and round, counters go up."""
    seed = int.from_bytes(hashlib.sha256(f"{site}/{number}".encode()).digest()[:8], "big")
    random_numbers = np.random.default_rng(seed)
    moved = {}
    for name, array in sorted(base.items()):
        if array.dtype.kind == "f":
            moved[name] = (array + random_numbers.normal(size=array.shape)).astype(array.dtype)
        else:
            moved[name] = array + np.asarray(number, dtype=array.dtype)
    return moved


def summary_of(request: Request, cases: Sequence[np.ndarray]) -> CohortSummary:
    """What cases of one channel answer, after the windows that were fitted before."""
    for step in request.state.steps:
        for window in step.channels:
            assert isinstance(window, Window)
            cases = [np.clip(case, window.low, window.high) for case in cases]
    return merged(request, [request.answer([case]) for case in cases])


@dataclass
class FakeSite:
    """A site's courier and worker as one object with durable memory.

    Attributes:
        name: its name.
        plan: digest of the plan that it has accepted.
        cases: training cases, its weight.
        steps: questions that it answers `working` before a piece of work is done.
        refusals: what it answers to its next tasks instead of working, in order.
        spoil: changes an update before it is sealed.
        metric: gives its score of the incoming model in a round.
        write: gives the body that it signs for a reply.
        scores_in: whether it scores the incoming model of a round of training.
        voxels: those of each training case, one channel, which a survey is answered from.
        forge: changes such an answer before it is sealed.
    """

    name: str
    plan: str
    cases: int = 10
    test_cases: int = 3
    steps: int = 1
    refusals: list[RefusalCode] = field(default_factory=list)
    spoil: Callable[[dict[str, np.ndarray], int], dict[str, np.ndarray]] | None = None
    metric: Callable[[int], float] = lambda number: 0.5
    write: Callable[[Reply], bytes] = canonical_model
    scores_in: Callable[[int], bool] = lambda number: True
    cohort: str = sha256_hex(b"cohort")
    models: dict[str, bytes] = field(default_factory=dict)
    outbox: dict[str, Envelope] = field(default_factory=dict)
    progress: dict[str, int] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    concluded: list[Task] = field(default_factory=list)
    features: tuple[str, ...] = (CONCLUDE, STOPPED, STRATEGIES, SURVEYS)
    voxels: tuple[np.ndarray, ...] = ()
    forge: Callable[[CohortSummary], CohortSummary] = lambda summary: summary
    numbers: dict[str, float] = field(default_factory=dict)
    payloads: int = 0
    trainings: int = 0

    def answer(self, envelope: Envelope) -> Envelope:
        """What the site says to a sealed task."""
        task = open_task(envelope, coordinator_key().public)
        assert task.site == self.name
        self.tasks.append(task)
        self.payloads += bool(envelope.payload)
        if self.refusals:
            return self._say(Refused(site=self.name, ask=task.ask, code=self.refusals.pop(0), correlation=CORRELATION))
        if task.stage is Stage.HELLO:
            return self._say(self._ready(task))
        if task.stage is Stage.CONCLUDE:
            self.concluded.append(task)
            return self._say(Concluded(site=self.name, ask=task.ask, plan=task.plan))
        assert task.work_key is not None
        return self._work(task, task.work_key, envelope.payload)

    def _ready(self, task: Task) -> Ready:
        return Ready(
            site=self.name,
            ask=task.ask,
            plan=self.plan,
            cohort=self.cohort,
            train_cases=self.cases,
            validation_cases=4,
            test_cases=self.test_cases if TEST_CASES in task.features else None,
            version="1.0",
            features=self.features,
        )

    def _work(self, task: Task, key: str, payload: bytes) -> Envelope:
        if payload:
            self.models[key] = payload
        if key in self.outbox:
            return self.outbox[key]
        if key not in self.models:
            return self._say(Missing(site=self.name, ask=task.ask, work_key=key))
        step = self.progress.get(key, 0)
        if step < self.steps:
            self.progress[key] = step + 1
            return self._say(
                Working(site=self.name, ask=task.ask, work_key=key, phase="training", step=step, steps=self.steps)
            )
        works = {Stage.TRAIN: self._train, Stage.EVALUATE: self._evaluate, Stage.SURVEY: self._summarise}
        self.outbox[key] = works[task.stage](task, key)
        return self.outbox[key]

    def _summarise(self, task: Task, key: str) -> Envelope:
        request = Request.model_validate_json(self.models[key])
        summary = self.forge(summary_of(request, self.voxels))
        return self._say(
            Done(site=self.name, work_key=key, update=None, train_cases=0, metrics={}, seconds=1.0, summary=summary)
        )

    def _train(self, task: Task, key: str) -> Envelope:
        self.trainings += 1
        arrays = trained(unpack(self.models[key]), self.name, task.round)
        payload = pack(self.spoil(arrays, task.round) if self.spoil else arrays)
        done = Done(
            site=self.name,
            work_key=key,
            update=payload_digest(payload),
            train_cases=self.cases,
            loss=1.0 / task.round,
            metrics=self._scores(task),
            seconds=1.0,
            numbers=self.numbers,
        )
        return self._seal(done, payload)

    def _evaluate(self, task: Task, key: str) -> Envelope:
        return self._say(
            Done(site=self.name, work_key=key, update=None, train_cases=0, metrics=self._scores(task), seconds=1.0)
        )

    def _scores(self, task: Task) -> dict[str, MetricValue]:
        if task.stage is Stage.TRAIN and not self.scores_in(task.round):
            return {}
        return {"dice": MetricValue(value=self.metric(task.round), count=4)}

    def _say(self, reply: Reply) -> Envelope:
        return self._seal(reply, b"")

    def _seal(self, reply: Reply, payload: bytes) -> Envelope:
        body = self.write(reply)
        return Envelope(body, seeded_keys(self.name).signing.sign(b"wardround reply\n" + body), payload)


@dataclass(frozen=True)
class Weather:
    """What the network does to one exchange: seconds that it takes, and whether the answer arrives."""

    seconds: float = 0.5
    arrives: bool = True
    reaches: bool = True


class FakeLink:
    """Carries envelopes to fake sites. `weather` decides about each exchange; `away` says who is silent when."""

    def __init__(
        self,
        sites: Mapping[str, FakeSite],
        clock: FakeClock,
        weather: Callable[[str, float], Weather] = lambda site, now: Weather(),
        away: Callable[[str, float], bool] = lambda site, now: False,
    ) -> None:
        self.sites = sites
        self.clock = clock
        self.weather = weather
        self.away = away
        self.tamper: Callable[[str, Envelope], Envelope] = lambda site, envelope: envelope

    def seconds_since_seen(self, site: str) -> float | None:
        """0, or a long time for a site that is away."""
        return 1000.0 if self.away(site, self.clock.now()) else 0.0

    def exchange(self, site: str, envelope: Envelope, timeout: float) -> Envelope | None:
        """One exchange without delay, for tests with real threads."""
        return self.carry(site, envelope)[1]

    def carry(self, site: str, envelope: Envelope) -> tuple[float, Envelope | None]:
        """Seconds that an exchange takes, and the answer."""
        weather = self.weather(site, self.clock.now())
        if not weather.reaches or self.away(site, self.clock.now()):
            return weather.seconds, None
        answer = self.tamper(site, self.sites[site].answer(envelope))
        return weather.seconds, answer if weather.arrives else None


class SteppedGatherer:
    """Plays conversations in one thread, in order of fake time; equal times in a random order."""

    def __init__(self, link: FakeLink, clock: FakeClock, seed: int = 0, limit: float = 100_000.0) -> None:
        self._link = link
        self._clock = clock
        self._random = random.Random(seed)
        self._limit = limit
        self._events: list[tuple[float, float, str, Heard | None]] = []

    def gather(self, gathering: Gathering) -> Verdict:
        """Converse until the verdict. Fails when fake time runs out."""
        self._events = []
        for site in gathering.conversations:
            self._schedule(self._clock.now(), site, None)
        try:
            while (verdict := gathering.judge(self._clock.now())).action not in (Action.FOLD, Action.STOP):
                assert self._clock.time < self._limit, f"the round does not end: {verdict.line}"
                if self._events[0][0] > self._clock.time + _TICK:
                    self._clock.time += _TICK
                    continue
                time, _, site, heard = heapq.heappop(self._events)
                self._clock.time = max(self._clock.time, time)
                self._turn(gathering, site, heard)
            return verdict
        finally:
            gathering.close()

    def _schedule(self, time: float, site: str, heard: Heard | None) -> None:
        heapq.heappush(self._events, (time, self._random.random(), site, heard))

    def _turn(self, gathering: Gathering, site: str, heard: Heard | None) -> None:
        conversation, now = gathering.conversations[site], self._clock.now()
        if heard is not None:
            conversation.heard(*heard, now)
        question = conversation.next(now, self._link.seconds_since_seen(site))
        if question is None and conversation.status.state is not SiteState.DONE:
            self._schedule(now + 1.0, site, None)
        elif question is not None:
            seconds, answer = self._link.carry(site, question.envelope)
            self._schedule(now + seconds, site, (question, answer))

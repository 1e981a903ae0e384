"""What the conversations of an exchange share, and what passes in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass, field

from wardround.aggregator.journal import Journal
from wardround.aggregator.roster.keyring import KeyRing
from wardround.aggregator.rounds.inspection import Inspector
from wardround.aggregator.rounds.patience import Patience
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.federation.differences import Terms
from wardround.federation.envelope import Envelope, Payload
from wardround.federation.identities import CoordinatorKey
from wardround.federation.protocol import STRATEGIES, Plan, Ready, Task, required_features
from wardround.federation.stages import SURVEYS, TERMS


@dataclass(frozen=True)
class RoundContext:
    """What all conversations of an exchange share.

    Attributes:
        plan: what the sites have accepted.
        names: the roster's.
        key: signs tasks.
        inspector: checks answers; holds the round's order.
        payload: what goes to a site with its task, by the site's name.
        update_bytes: how large an update is expected to be, if there is one.
        fitted: what preprocessing has learned, if anything.
        cohorts: what each site said at its last hello, kept from round to round.
        accepted: work key of each site's last folded reply.
        former: digest of the cases that each site worked with last.
        journal: the event log.
        patience: how long to wait for what.
        ring: with which keys the sites speak now.
        terms: what the sites are offered, to be compared with what one has accepted.
    """

    plan: Plan
    names: tuple[str, ...]
    key: CoordinatorKey
    inspector: Inspector
    payload: Callable[[str], Payload]
    update_bytes: int
    cohorts: MutableMapping[str, Ready]
    accepted: dict[str, str]
    journal: Journal
    patience: Patience
    ring: KeyRing = field(default_factory=lambda: KeyRing({}))
    terms: Terms | None = None
    former: Mapping[str, str] = field(default_factory=dict)
    fitted: FittedState = EMPTY

    @property
    def needed(self) -> frozenset[str]:
        """The features without which a site cannot do what the exchange asks for."""
        named = TERMS[self.inspector.order.stage].feature
        always = {*required_features(self.plan), *(() if self.fitted.is_empty else (SURVEYS,))}
        return frozenset(always if named is None else {*always, named})


def lacking(features: Collection[str]) -> str:
    """Why a site cannot take part whose release has not got these features, one or more."""
    if STRATEGIES in features:
        return "its release knows no strategy but fedavg: update it"
    return "its release cannot tell of its cases what this study has to know: update it"


@dataclass(frozen=True)
class Question:
    """A sealed task, and how long to wait for its answer."""

    task: Task
    envelope: Envelope
    timeout: float


@dataclass(frozen=True)
class Traffic:
    """Bytes of signed messages and models, to the site and from it."""

    sent: int = 0
    received: int = 0

    def plus(self, question: Question, answer: Envelope | None) -> Traffic:
        """The traffic after one exchange."""
        received = _size(answer) if answer is not None else 0
        return Traffic(self.sent + _size(question.envelope), self.received + received)


def _size(envelope: Envelope) -> int:
    return len(envelope.body) + len(envelope.signature) + len(envelope.payload)

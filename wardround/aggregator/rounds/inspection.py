"""The inbound guard: nothing that a site sends is used before it has passed here, and again when it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from wardround.aggregator.rounds.movement import Movement, MovementError, Yardstick
from wardround.aggregator.rounds.records import Asked, ExchangeOrder
from wardround.engine.parts import Bounds
from wardround.engine.preprocessing.requests import Request
from wardround.federation.declared import (
    MOST_CASES,
    SECONDS,
    Declared,
    Subsets,
    UndeclaredError,
    check_cases,
    check_number,
)
from wardround.federation.envelope import Envelope, Payload
from wardround.federation.guards import GuardError, Schema
from wardround.federation.identities import Member
from wardround.federation.payload import PayloadError, unpack
from wardround.federation.protocol import Done, Ready, Reply, Working
from wardround.federation.sealing import SealError, SignedNonsenseError, open_reply
from wardround.federation.stages import TERMS
from wardround.federation.strategies.protocol import Arrays
from wardround.federation.strategies.sharing import WEIGHTS_ALONE, Sharing, largest, model_schema
from wardround.federation.surveyed import check_summary

_STEPS = Bounds(0, 10_000_000)


class Blame(StrEnum):
    """Whether a bad answer can be the site's doing: an `UNPROVEN` one may have been forged or replayed on the way."""

    UNPROVEN = "unproven"
    SITE = "site"


class AnswerError(Exception):
    """An answer that cannot be used. `detail` is made of fixed words, numbers and names of the aggregator's own."""

    def __init__(self, blame: Blame, detail: str) -> None:
        self.blame = blame
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class Accepted:
    """A reply that passed. `arrays` is empty after an evaluation."""

    done: Done
    arrays: Arrays


@dataclass(frozen=True)
class Inspector:
    """Checks answers in one exchange.

    Attributes:
        order: what the exchange is about.
        schema: that of all that went down.
        sharing: what the strategy declares.
        yardstick: measures how far an update moves the base model.
        declared: the study's scores.
        request: what sites are asked about their cases, if that is what the exchange is about.
        names: of the channels, or numbers to predict, that are asked about.
        is_final: whether this round scores the model that the last round of training has made.
        is_scored: whether the plan has the incoming model scored in this round at all.
        most_scored: on how many validation cases of a site at most; None for all.
    """

    order: ExchangeOrder
    schema: Schema
    yardstick: Yardstick
    declared: Declared
    is_final: bool
    request: Request | None = None
    names: tuple[str, ...] = ()
    sharing: Sharing = WEIGHTS_ALONE
    is_scored: bool = True
    most_scored: int | None = None

    @cached_property
    def _model(self) -> Schema:
        return model_schema(self.yardstick.base)

    def open(self, envelope: Envelope, member: Member) -> Reply:
        """The reply in an envelope, its signature checked. Raises `AnswerError`."""
        try:
            reply, _ = open_reply(envelope, member.signing_key)
        except SignedNonsenseError as error:
            raise AnswerError(Blame.SITE, f"{error.code.value}: {error.detail}") from None
        except SealError as error:
            raise AnswerError(Blame.UNPROVEN, f"{error.code.value}: {error.detail}") from None
        if reply.site != member.name:
            raise AnswerError(Blame.UNPROVEN, "the answer names another site")
        return reply

    def open_kept(self, envelope: Envelope, signers: Sequence[Member]) -> Reply:
        """As `open`, for a reply that lies here: a key that has been replaced since may have signed it."""
        refusal = AnswerError(Blame.UNPROVEN, "its key was revoked")
        for signer in signers:
            try:
                return self.open(envelope, signer)
            except AnswerError as error:
                refusal = error
        raise refusal

    def check_ready(self, ready: Ready) -> None:
        """Raise `AnswerError` when a site says that it holds what no site can hold."""
        with _blaming_the_site():
            check_cases("training", ready.train_cases)
            check_cases("validation", ready.validation_cases)
            check_cases("test", ready.test_cases or 0)

    def check_progress(self, working: Working) -> None:
        """Raise `AnswerError` when a site's progress cannot be true."""
        if working.step > working.steps:
            raise AnswerError(Blame.SITE, f"it is at step {working.step} of {working.steps}")
        with _blaming_the_site():
            check_number("the number of steps", working.steps, _STEPS)
            check_number("its estimate in seconds", working.seconds_left or 0.0, SECONDS)

    def accept(self, done: Done, payload: Payload, asked: Asked) -> Accepted:
        """A finished piece of work, ready to be stored or folded. Raises `AnswerError`."""
        if done.work_key != asked.work_key:
            raise AnswerError(Blame.UNPROVEN, "the reply is of another round, model or cohort")
        self._check_numbers(done, asked)
        self._check_summary(done, asked)
        if not TERMS[self.order.stage].trains:
            if done.update is not None:
                raise AnswerError(Blame.SITE, "the reply has an update, where none was asked for")
            return Accepted(done, {})
        return Accepted(done, self._update(done, payload, asked))

    def measure(self, accepted: Accepted) -> Movement:
        """How far a reply moves the model. Raises `AnswerError` when it is further than any training does."""
        try:
            return self.yardstick.measure(accepted.arrays)
        except MovementError as error:
            raise AnswerError(Blame.SITE, f"movement: {error}") from None

    def _check_numbers(self, done: Done, asked: Asked) -> None:
        with _blaming_the_site():
            self._check_scores(done, asked)
            self.declared.check_loss(done.loss)
            self._declared_numbers(done)
            check_number("its time of work in seconds", done.seconds, SECONDS)
        if not TERMS[self.order.stage].trains and done.train_cases > asked.train_cases:
            raise AnswerError(Blame.SITE, _other_cases(done, asked))

    def _check_scores(self, done: Done, asked: Asked) -> None:
        """Which model is best is chosen by scores: those of one site alone, where nobody else scores, would choose it.

        Raises `UndeclaredError`.
        """
        if done.metrics and not self.is_scored:
            raise UndeclaredError(f"{len(done.metrics)} scores in a round in which the plan has no model scored")
        most_tested = MOST_CASES if asked.test_cases is None else asked.test_cases
        most = asked.validation_cases if self.most_scored is None else min(asked.validation_cases, self.most_scored)
        self.declared.check_scores(done.metrics, Subsets(most, most_tested if self.is_final else None))

    def _check_summary(self, done: Done, asked: Asked) -> None:
        if (self.request is None) != (done.summary is None):
            raise AnswerError(Blame.SITE, "statistics that were not asked for, or none where they were")
        if self.request is None or done.summary is None:
            return
        if done.metrics or done.loss is not None:
            raise AnswerError(Blame.SITE, "scores beside statistics")
        with _blaming_the_site():
            check_summary(self.request, done.summary, asked.train_cases)

    def _declared_numbers(self, done: Done) -> None:
        """A strategy's numbers come with an update, and with nothing else. Raises `UndeclaredError`."""
        if TERMS[self.order.stage].trains:
            self.sharing.check_numbers(done.numbers)
        elif done.numbers:
            raise UndeclaredError(f"{len(done.numbers)} numbers of a strategy without an update")

    def _update(self, done: Done, payload: Payload, asked: Asked) -> Arrays:
        if done.update is None:
            raise AnswerError(Blame.SITE, "the reply has no update")
        if not done.train_cases or done.train_cases != asked.train_cases:
            raise AnswerError(Blame.SITE, _other_cases(done, asked))
        try:
            model = self._model
            arrays = unpack(payload, largest(self.sharing.up, model))
            self.sharing.check_up(arrays, model)
        except PayloadError as error:
            raise AnswerError(Blame.SITE, f"malformed update: {error}") from None
        except GuardError as error:
            raise AnswerError(Blame.SITE, f"{error.code.value}: {error.detail}") from None
        return arrays


@contextmanager
def _blaming_the_site() -> Iterator[None]:
    """Numbers of a signed body that may not pass are the doing of the site that signed it."""
    try:
        yield
    except UndeclaredError as error:
        raise AnswerError(Blame.SITE, str(error)) from None


def _other_cases(done: Done, asked: Asked) -> str:
    return f"it counts {done.train_cases} training cases, not the {asked.train_cases} of its hello"

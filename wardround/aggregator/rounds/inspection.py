"""The inbound guard: nothing that a site sends is used before it has passed here, and again when it is read back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wardround.aggregator.rounds.records import Asked, RoundOrder
from wardround.aggregator.strategies.protocol import Arrays
from wardround.federation.envelope import Envelope
from wardround.federation.guards import GuardError, Schema, check_update
from wardround.federation.identities import Member
from wardround.federation.payload import PayloadError, unpack
from wardround.federation.protocol import Done, Reply, Stage
from wardround.federation.sealing import SealError, open_reply


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
    """Checks answers in one round. `schema` is that of the base model."""

    order: RoundOrder
    schema: Schema

    def open(self, envelope: Envelope, member: Member) -> Reply:
        """The reply in an envelope, its signature checked. Raises `AnswerError` with blame unproven."""
        try:
            reply, _ = open_reply(envelope, member.signing_key)
        except SealError as error:
            raise AnswerError(Blame.UNPROVEN, f"{error.code.value}: {error.detail}") from None
        if reply.site != member.name:
            raise AnswerError(Blame.UNPROVEN, "the answer names another site")
        return reply

    def accept(self, done: Done, payload: bytes, asked: Asked) -> Accepted:
        """A finished piece of work, ready to be stored or folded. Raises `AnswerError`."""
        if done.work_key != asked.work_key:
            raise AnswerError(Blame.UNPROVEN, "the reply is of another round, model or cohort")
        if self.order.stage is Stage.EVALUATE:
            if done.update is not None:
                raise AnswerError(Blame.SITE, "the reply to an evaluation has an update")
            return Accepted(done, {})
        return Accepted(done, self._update(done, payload, asked))

    def _update(self, done: Done, payload: bytes, asked: Asked) -> Arrays:
        if done.update is None:
            raise AnswerError(Blame.SITE, "the reply has no update")
        if not done.train_cases or done.train_cases != asked.train_cases:
            expected = f"the {asked.train_cases} of its hello"
            raise AnswerError(Blame.SITE, f"it counts {done.train_cases} training cases, not {expected}")
        try:
            arrays = unpack(payload)
            check_update(arrays, self.schema)
        except PayloadError as error:
            raise AnswerError(Blame.SITE, f"malformed update: {error}") from None
        except GuardError as error:
            raise AnswerError(Blame.SITE, f"{error.code.value}: {error.detail}") from None
        return arrays

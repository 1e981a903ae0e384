"""The messages that cross the wire, typed and frozen. Bodies are canonical JSON; tensors travel beside them.

A task is signed by the coordinator, a reply by the site (`identities`). The work key names a piece of work by its
content, so that any message may be sent again: the answer to the same work key is the same bytes.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from wardround.engine.basics.canonical import canonical_json, digest_of, sha256_hex
from wardround.engine.basics.closed import Added, Closed

PROTOCOL = 1
NO_ASK = "0" * 32
"""What a refusal repeats instead of a task's `ask` when the task could not be opened."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,127}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
FeatureName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Features = Annotated[tuple[FeatureName, ...], Field(max_length=64)]
FEATURES: tuple[str, ...] = ()
"""What this release can do beyond the first protocol. Each end names its own at the hello, and uses what both have."""


class WireModel(Closed):
    """Base of what crosses the wire: frozen, closed, finite numbers only."""

    model_config = ConfigDict(allow_inf_nan=False)


class Horizon(WireModel):
    """How long a federation trains; the learning-rate schedule runs over `rounds * local_steps`."""

    rounds: Annotated[int, Field(ge=1, le=100_000)]
    local_steps: Annotated[int, Field(ge=1, le=10_000_000)]

    @property
    def total_steps(self) -> int:
        """Steps over all rounds."""
        return self.rounds * self.local_steps


class Plan(WireModel):
    """What a site's staff accepts before anything runs. Its digest is part of every work key."""

    protocol: Literal[1] = 1
    federation: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    study: Digest
    horizon: Horizon
    strategy: str
    fold: Annotated[int, Field(ge=0, le=49)] = 0
    roster: Digest

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return digest_of(self)


class Stage(StrEnum):
    """What a task asks for. `HELLO` computes nothing; `TRAIN` evaluates the incoming model, then trains it."""

    HELLO = "hello"
    TRAIN = "train"
    EVALUATE = "evaluate"


class Task(WireModel):
    """From the aggregator to one site.

    Attributes:
        site: the site that it is meant for.
        plan: digest of the accepted plan.
        round: 1 to `rounds`; the final evaluation-only round is `rounds + 1`; a hello has 0.
        base: digest of the incoming model's packed bytes; None for a hello.
        work_key: see `work_key`; None for a hello.
        accepted: work key of this site's last reply that the aggregator folded into the global model, if any; the
            site then commits the state that it carried over from that work, and rolls back any other.
        ask: random hex that the answer repeats (except `done`, whose bytes never change).
        offer: the plan itself, if the aggregator sends it (with a hello), so that a site that has accepted another
            one can say in what they differ.
        features: with a hello, what the aggregator can do beyond the first protocol.
    """

    type: Literal["task"] = "task"
    protocol: int = PROTOCOL
    site: SiteName
    plan: Digest
    stage: Stage
    round: Count
    base: Digest | None = None
    work_key: Digest | None = None
    accepted: Digest | None = None
    ask: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    offer: Plan | None = None
    features: Annotated[Features, Added("0.2.0")] = ()


class RefusalCode(StrEnum):
    """Why a site does not do what it is asked. The only words about a fault that ever leave a site.

    `OTHER` stands for a code of a later release, which this one does not know; no site of this release sends it.
    """

    BAD_SIGNATURE = "bad_signature"
    NOT_FOR_THIS_SITE = "not_for_this_site"
    PROTOCOL = "protocol"
    MALFORMED = "malformed"
    PLAN_NOT_ACCEPTED = "plan_not_accepted"
    STUDY_NOT_ACCEPTED = "study_not_accepted"
    HORIZON_NOT_ACCEPTED = "horizon_not_accepted"
    ROSTER_NOT_ACCEPTED = "roster_not_accepted"
    POLICY = "policy"
    COHORT_TOO_SMALL = "cohort_too_small"
    COHORT_CHANGED = "cohort_changed"
    BAD_MODEL = "bad_model"
    TRAINING_DIVERGED = "training_diverged"
    REPLY_BLOCKED = "reply_blocked"
    DISK_FULL = "disk_full"
    INTERNAL = "internal"
    OTHER = "other"


_LATER_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _known_code(value: Any) -> Any:
    """A later release may have more codes: reading one as `other` keeps a federation of mixed releases alive."""
    if isinstance(value, str) and value not in RefusalCode.__members__.values() and _LATER_CODE.fullmatch(value):
        return RefusalCode.OTHER
    return value


AnyRefusalCode = Annotated[RefusalCode, BeforeValidator(_known_code)]
"""A refusal code as it is read from the wire."""


class MetricValue(WireModel):
    """A metric over `count` cases of the site."""

    value: float
    count: Count


class Ready(WireModel):
    """Answer to a hello: the site is willing, and this is what it holds, and can do beyond the first protocol."""

    type: Literal["ready"] = "ready"
    site: SiteName
    ask: str
    plan: Digest
    cohort: Digest
    train_cases: Count
    validation_cases: Count
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,32}$")]
    features: Annotated[Features, Added("0.2.0")] = ()


class Missing(WireModel):
    """The site has not got the model of this work key: send the task again with its payload."""

    type: Literal["missing"] = "missing"
    site: SiteName
    ask: str
    work_key: Digest


class Working(WireModel):
    """The site is at it. `step` of `steps`; `seconds_left` is its own estimate, if it has one yet.

    `work_key` is None when a hello is answered while the site still prepares its cases: say hello again later.
    """

    type: Literal["working"] = "working"
    site: SiteName
    ask: str
    work_key: Digest | None = None
    phase: Literal["queued", "preparing", "evaluating", "training", "packing"]
    step: Count = 0
    steps: Count = 0
    seconds_left: Annotated[float, Field(ge=0)] | None = None


class Refused(WireModel):
    """The site declines. `correlation` is a random id that its own log repeats beside the true reason."""

    type: Literal["refused"] = "refused"
    site: SiteName
    ask: str
    work_key: Digest | None = None
    code: AnyRefusalCode
    correlation: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Done(WireModel):
    """The finished work. The update's packed bytes travel as the payload (none after an evaluation).

    Attributes:
        update: SHA-256 of the payload, or None.
        train_cases: weight of the update in a weighted mean.
        loss: mean training loss over the steps of this round, or None.
        metrics: of the *incoming* model on the site's validation cases.
        seconds: time spent computing.
    """

    type: Literal["done"] = "done"
    site: SiteName
    work_key: Digest
    update: Digest | None
    train_cases: Count
    loss: float | None = None
    metrics: dict[MetricName, MetricValue]
    seconds: Annotated[float, Field(ge=0)]


Reply = Annotated[Ready | Missing | Working | Refused | Done, Field(discriminator="type")]
REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def work_key(plan: str, stage: Stage, round_number: int, base: str, cohort: str) -> str:
    """Names a piece of work by its content: plan, stage, round, incoming model, the site's cohort, protocol version.

    The plan's digest covers federation, study, horizon, strategy, fold and roster. Neither attempts nor run ids count.
    """
    parts: list[str | int] = [PROTOCOL, plan, stage.value, round_number, base, cohort]
    return sha256_hex(canonical_json(list(parts)))

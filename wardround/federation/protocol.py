"""The messages that cross the wire, typed and frozen. Bodies are canonical JSON; tensors travel beside them.

A task is signed by the coordinator, a reply by the site (`identities`). The work key names a piece of work by its
content, so that any message may be sent again: the answer to the same work key is the same bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from wardround.engine.basics.canonical import canonical_json, digest_of, sha256_hex
from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.printable import printable
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.requests import CohortSummary
from wardround.federation.endings import AnyEndReason, EndReason
from wardround.federation.refusals import AnyRefusalCode
from wardround.federation.refusals import RefusalCode as RefusalCode
from wardround.federation.stages import SURVEYS
from wardround.federation.stages import Stage as Stage
from wardround.federation.strategy_terms import StrategyField

PROTOCOL = 1
NO_ASK = "0" * 32
"""What a refusal repeats instead of a task's `ask` when the task could not be opened."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,127}$")]
FederationName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$")]
"""A time in UTC, as ISO 8601 writes it."""
_LONGEST_SENTENCE = 1000
Sentence = Annotated[
    str,
    Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$", max_length=_LONGEST_SENTENCE),
    BeforeValidator(lambda text: printable(text)[:_LONGEST_SENTENCE] if isinstance(text, str) else text),
]
"""Words for people in a record that an end writes for itself; kept printable and short. No message has any."""
NumberName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A number that a strategy declares."""
FeatureName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Features = Annotated[tuple[FeatureName, ...], Field(max_length=64)]
StudyText = Annotated[str, Field(pattern=r"^\{[^\p{C}\p{Zl}\p{Zp}]*\}$", max_length=4 * 2**20)]
"""A study's canonical JSON: one line, in which no character is unseen."""
CONCLUDE, DIFFERENCES, STATE_LOST = "conclude", "differences", "state_lost"
STOPPED, STRATEGIES, TEST_CASES = "stopped", "strategies", "test_cases"
FEATURES: tuple[str, ...] = (CONCLUDE, DIFFERENCES, STATE_LOST, STOPPED, STRATEGIES, SURVEYS, TEST_CASES)
"""What this release can do beyond the first protocol. Each end names its own at the hello, and uses what both have."""
USUAL_ALLOWANCE = 3
"""Pieces of work beyond one for each round that a site does for a plan, unless its policy says otherwise."""


class WireModel(Closed):
    """Base of what crosses the wire: frozen, closed, finite numbers only."""

    model_config = ConfigDict(allow_inf_nan=False)


class Horizon(WireModel):
    """How long a federation trains; the learning-rate schedule runs over `rounds * local_steps`."""

    rounds: Annotated[int, Field(ge=1, le=100_000, examples=[20])]
    local_steps: Annotated[int, Field(ge=1, le=10_000_000, examples=[100])]

    @property
    def total_steps(self) -> int:
        """Steps over all rounds."""
        return self.rounds * self.local_steps


class Leaves(WireModel):
    """Which scores of a site may leave it. The training loss and the validation loss both go by the name `loss`.

    Attributes:
        metrics: names such as `dice`, which covers `dice.anterior`, or None for all of the study's and the loss.
        test: whether the test cases are scored, once, after the last round.
    """

    metrics: Annotated[tuple[MetricName, ...], Field(max_length=256)] | None = None
    test: bool = True

    def lets_out(self, metric: str) -> bool:
        """Whether a metric of this name, without the mark of the test cases, may leave."""
        return self.metrics is None or metric.split(".")[0] in self.metrics or metric in self.metrics


class Weights(WireModel):
    """What a site's update weighs in the mean.

    Attributes:
        by: its training cases, or the same for every site.
        cap: the largest part of the mean that one site may have, in steps of 0.001; what it has above goes to the
            others in proportion. Where so few sites reply that the parts would not add up to one, all weigh the same.
    """

    by: Literal["cases", "equal"] = "cases"
    cap: Annotated[float, Field(ge=0.001, le=1, examples=[0.5])] | None = None

    @property
    def described(self) -> str:
        """For people to read."""
        measure = "its site's training cases" if self.by == "cases" else "the number of sites alone"
        return measure if self.cap is None else f"{measure}, at most {self.cap:.1%} of the mean"


class Checks(WireModel):
    """When sites score the global model on their validation cases. The model of the last round always is scored.

    Attributes:
        every: the incoming model is scored in the plan's first round, which is where a training that is carried on
            was left, and in every so-manieth round after it.
        max_cases: at most so many cases at each site, always the same, chosen by their digests; None for all.
    """

    every: Annotated[int, Field(ge=1, le=100_000)] = 1
    max_cases: Annotated[int, Field(ge=1, le=10_000_000)] | None = None

    @property
    def described(self) -> str:
        """For people."""
        how_often = "every round" if self.every == 1 else f"every {self.every} rounds"
        return how_often if self.max_cases is None else f"{how_often}, at most {self.max_cases} cases"


class Requirements(WireModel):
    """What a site's table must have. patient_column: a `PatientID`, so that no patient is in two sets unnoticed."""

    patient_column: bool = False


class Continuation(WireModel):
    """What a plan carries on.

    Attributes:
        plan: digest of the plan before.
        rounds: how many were done by then; the next has the next number.
        model: digest of the model that the last of them made, with which the next one begins.
    """

    plan: Digest
    rounds: Annotated[int, Field(ge=1, le=100_000)]
    model: Digest


class Plan(WireModel):
    """What a site's staff accepts before anything runs. Its digest is part of every work key.

    Attributes:
        initial: digest of the model that the first round begins with; None for one made from the study's seed.
        after: what the plan carries on, if it does.
        leaves: which scores leave a site; None is the study's metrics and the loss, of validation and test cases.
        weights: what a site's update weighs.
        validation: when sites score the global model, and on how many cases; None is all in every round.
        require: what each site's table must have.
    """

    protocol: Literal[1] = 1
    federation: FederationName
    study: Digest
    horizon: Horizon
    strategy: StrategyField
    fold: Annotated[int, Field(ge=0, le=49)] = 0
    roster: Digest
    leaves: Annotated[Leaves | None, Added("0.2.0")] = None
    weights: Annotated[Weights, Added("0.2.0")] = Weights()
    validation: Annotated[Checks | None, Added("0.2.0")] = None
    require: Annotated[Requirements, Added("0.2.0")] = Requirements()
    initial: Annotated[Digest | None, Added("0.2.0")] = None
    after: Annotated[Continuation | None, Added("0.2.0")] = None

    @property
    def first_round(self) -> int:
        """The number of the first round under this plan."""
        return 1 if self.after is None else self.after.rounds + 1

    @property
    def first_model(self) -> str | None:
        """Digest of the model that the first round under this plan begins with, where the plan says it."""
        return self.initial if self.after is None else self.after.model

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return digest_of(self)

    @property
    def checks(self) -> Checks:
        """When sites score the global model."""
        return self.validation or Checks()

    def scores_in(self, number: int) -> bool:
        """Whether a training round of that number scores its incoming model."""
        return (number - self.first_round) % self.checks.every == 0

    @property
    def rounds(self) -> int:
        """How many rounds of training there are under this plan: without those that it carries on."""
        return self.horizon.rounds - self.first_round + 1

    @property
    def outgoing(self) -> Leaves:
        """Which scores leave a site."""
        return self.leaves or Leaves()


class Task(WireModel):
    """From the aggregator to one site.

    Attributes:
        site: the site that it is meant for.
        plan: digest of the accepted plan.
        round: 1 to `rounds`; the final evaluation-only round is `rounds + 1`; a hello and a survey have 0; a
            conclusion has the number of training rounds that were done.
        base: digest of the bytes that belong to the task: of the incoming model's, packed, or of a request's; None for
            a hello; with a conclusion the last model's, if there is one.
        work_key: see `work_key`; None for a hello and a conclusion.
        accepted: work key of this site's last reply that the aggregator folded into the global model, if any; the
            site then commits the state that it carried over from that work, and rolls back any other.
        ask: random hex that the answer repeats (except `done`, whose bytes never change).
        offer: the plan itself, if the aggregator sends it (with a hello), so that a site that has accepted another
            one can say in what they differ.
        features: with a hello, what the aggregator can do beyond the first protocol.
        end: with a conclusion, why the run has ended.
        names: with an offer, the names of the roster's sites, so that a site can say who came or went.
        exchange: the place of this exchange among those of its round, from 1.
        fitted: what preprocessing has learned from all sites' training cases, where the study fits something.
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
    ask: Nonce
    offer: Plan | None = None
    features: Annotated[Features, Added("0.2.0")] = ()
    names: Annotated[Annotated[tuple[SiteName, ...], Field(max_length=1000)] | None, Added("0.2.0")] = None
    end: Annotated[AnyEndReason, Added("0.2.0")] = EndReason.COMPLETE
    exchange: Annotated[int, Added("0.3.0"), Field(ge=1, le=1000)] = 1
    fitted: Annotated[FittedState | None, Added("0.3.0")] = None


class MetricValue(WireModel):
    """A metric over `count` cases of the site."""

    value: float
    count: Count


class Ready(WireModel):
    """Answer to a hello: the site is willing, and this is what it holds, and can do beyond the first protocol."""

    type: Literal["ready"] = "ready"
    site: SiteName
    ask: Nonce
    plan: Digest
    cohort: Digest
    train_cases: Count
    validation_cases: Count
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,32}$")]
    features: Annotated[Features, Added("0.2.0")] = ()
    test_cases: Annotated[Count | None, Added("0.2.0")] = None


class Concluded(WireModel):
    """Answer to a conclusion: the site knows that the run has ended, and has tidied up after a complete one."""

    type: Literal["concluded"] = "concluded"
    site: SiteName
    ask: Nonce
    plan: Digest


class Missing(WireModel):
    """The site has not got the model of this work key: send the task again with its payload."""

    type: Literal["missing"] = "missing"
    site: SiteName
    ask: Nonce
    work_key: Digest


class Working(WireModel):
    """The site is at it. `step` of `steps`; `seconds_left` is its own estimate, if it has one yet.

    `work_key` is None when a hello is answered while the site still prepares its cases: say hello again later.
    """

    type: Literal["working"] = "working"
    site: SiteName
    ask: Nonce
    work_key: Digest | None = None
    phase: Literal["queued", "preparing", "evaluating", "training", "packing"]
    step: Count = 0
    steps: Count = 0
    seconds_left: Annotated[float, Field(ge=0)] | None = None


class AcceptedTerms(WireModel):
    """What a site has accepted, where it is offered something else: the coordinator's own words, none of the site's."""

    plan: Plan
    names: Annotated[tuple[SiteName, ...], Field(max_length=1000)]
    study: Annotated[StudyText, Field(max_length=2**16)] | None = None


class Refused(WireModel):
    """The site declines. `correlation` is a random id that its own log repeats beside the true reason.

    `accepted` goes with the refusal of a plan, to an aggregator that named the feature `differences`.
    """

    type: Literal["refused"] = "refused"
    site: SiteName
    ask: Nonce
    work_key: Digest | None = None
    code: AnyRefusalCode
    correlation: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    accepted: Annotated[AcceptedTerms | None, Added("0.2.0")] = None


class Done(WireModel):
    """The finished work. The update's packed bytes travel as the payload (none after an evaluation).

    Attributes:
        update: SHA-256 of the payload, or None.
        train_cases: weight of the update in a weighted mean.
        loss: mean training loss over the steps of this round, or None.
        metrics: of the *incoming* model on the site's validation cases.
        seconds: time spent computing.
        state_lost: the optimiser's state of the accepted round was lost or damaged at the site, so that this round
            began with a fresh one. Said only to an aggregator that named the feature `state_lost`.
        summary: the answer to a survey's request; nothing else is in that reply but the number of training cases.
        numbers: those that the plan's strategy declares, beside an update.
    """

    type: Literal["done"] = "done"
    site: SiteName
    work_key: Digest
    update: Digest | None
    train_cases: Count
    loss: float | None = None
    metrics: dict[MetricName, MetricValue]
    seconds: Annotated[float, Field(ge=0)]
    state_lost: Annotated[bool, Added("0.2.0")] = False
    summary: Annotated[CohortSummary | None, Added("0.3.0")] = None
    numbers: Annotated[dict[NumberName, float], Added("0.3.0")] = Field(default_factory=dict)


Reply = Annotated[Ready | Concluded | Missing | Working | Refused | Done, Field(discriminator="type")]
REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def required_features(plan: Plan) -> tuple[str, ...]:
    """What a site must be able to do beyond the first protocol for a plan: sites of earlier releases train every plan
    as for `fedavg`, without a word."""
    return () if plan.strategy.name == "fedavg" else (STRATEGIES,)


def work_key(plan: str, stage: Stage, round_number: int, base: str, cohort: str, fitted: str = "") -> str:
    """Names a piece of work by its content: plan, stage, round, what comes with it, the site's cohort, protocol
    version, and the digest of the fitted state where there is one.

    The plan's digest covers federation, study, horizon, strategy, fold and roster. Neither attempts nor run ids count.
    """
    parts: list[str | int] = [PROTOCOL, plan, stage.value, round_number, base, cohort, *([fitted] if fitted else [])]
    return sha256_hex(canonical_json(list(parts)))


def task_key(task: Task, cohort: str) -> str:
    """The work key of what a task asks of a site with this cohort."""
    fitted = "" if task.fitted is None else task.fitted.digest
    return work_key(task.plan, task.stage, task.round, task.base or "", cohort, fitted)

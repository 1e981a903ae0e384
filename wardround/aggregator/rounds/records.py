"""What is written down about a round: small frozen models, canonical JSON, one file each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import DamagedError, read_checked, write_checked
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.releases import later_release
from wardround.engine.preprocessing.requests import CohortSummary
from wardround.federation.endings import EndReason
from wardround.federation.protocol import (
    Count,
    Digest,
    MetricName,
    MetricValue,
    Moment,
    Sentence,
    SiteName,
    Stage,
    WireModel,
)
from wardround.federation.stages import TERMS

Seconds = Annotated[float, Field(ge=0)]
RESULT_FILE = "result.json"
Model = TypeVar("Model", bound=BaseModel)


class ExchangeOrder(WireModel):
    """What an exchange is about, written before the first site is asked.

    Attributes:
        round: from 1; 0 before all training.
        exchange: its place among those of its round, from 1.
        stage: what is asked for.
        base: digest of what every site receives with its task: a global model, or a request.
        sites: who is asked, in roster order.
        fitted: digest of what preprocessing has learned, where the study fits something.
    """

    round: Count
    stage: Stage
    base: Digest
    sites: tuple[SiteName, ...]
    exchange: Annotated[int, Added("0.3.0"), Field(ge=1)] = 1
    fitted: Annotated[Digest | None, Added("0.3.0")] = None


class RoundOrder(ExchangeOrder):
    """What a round's last exchange is about, which trains, or evaluates after the last round of training.

    Attributes:
        state: digest of what the strategy carries into this round.
    """

    state: Digest


class Asked(WireModel):
    """What one site is asked in a round, written before it is asked; its reply must name this work key."""

    site: SiteName
    cohort: Digest
    train_cases: Count
    validation_cases: Count
    work_key: Digest
    test_cases: Annotated[Count | None, Added("0.2.0")] = None


class Absence(WireModel):
    """A site whose reply is not part of the round, and why."""

    site: SiteName
    state: Annotated[str, Field(pattern=r"^[a-z][a-z, ]{0,63}$")]
    reason: Sentence = ""


class FoldDecision(WireModel):
    """Whose replies make the next model, in roster order, written before they are folded."""

    round: Count
    sites: tuple[SiteName, ...] = Field(min_length=1)
    absent: tuple[Absence, ...] = ()


class SiteResult(WireModel):
    """What one site contributed. `metrics` are of the round's incoming model on the site's validation cases.

    share: the update's part of the mean. bytes_out and bytes_in: signed messages and models to and from the site, in
    the process that committed the round. cohort: digest of the cases that the site worked with.
    """

    site: SiteName
    work_key: Digest
    update: Digest | None
    train_cases: Count
    loss: float | None
    metrics: dict[MetricName, MetricValue]
    seconds: Seconds
    bytes_out: Count = 0
    bytes_in: Count = 0
    share: Annotated[float | None, Added("0.2.0"), Field(ge=0, le=1)] = None
    cohort: Annotated[Digest | None, Added("0.2.0")] = None


class RoundResult(WireModel):
    """A finished round; writing it is what commits the round.

    Attributes:
        model: digest of the global model that came out; the base after an evaluation.
        state: digest of what the strategy carries on.
        sites: who contributed, in roster order.
        absent: who did not.
        seconds: from the first question to the commit, in the process that committed.
        finished: UTC time of the commit.
    """

    round: Count
    stage: Stage
    base: Digest
    model: Digest
    state: Digest
    sites: tuple[SiteResult, ...]
    absent: tuple[Absence, ...]
    seconds: Seconds
    finished: Moment | Literal[""]

    @property
    def trained(self) -> bool:
        """Whether the round made a new model of its sites' updates."""
        return TERMS[self.stage].trains


def heaviest(sites: tuple[SiteResult, ...]) -> SiteResult | None:
    """The site that has more than half of a mean of several, if one has."""
    if len(sites) < 2:
        return None
    return next((site for site in sites if site.share is not None and site.share > 0.5), None)


def accepted_keys(results: tuple[RoundResult, ...]) -> dict[str, str]:
    """The work key of each site's last reply that became part of a global model."""
    return {site.site: site.work_key for result in results if result.trained for site in result.sites}


def last_cohorts(results: tuple[RoundResult, ...]) -> dict[str, str]:
    """Digest of the cases that each site worked with in the last round that it was in."""
    return {site.site: site.cohort for result in results for site in result.sites if site.cohort is not None}


class OwnValues(WireModel):
    """What all training cases of one site told of one channel, or of one number to predict.

    Attributes:
        count: how many values.
        low: below it lie the rarest hundredth of them, or it is the mean minus a standard deviation; None where neither
            was told.
        high: above it lie the rarest hundredth of them, or it is the mean plus a standard deviation.
    """

    count: Annotated[int, Field(ge=0)]
    low: float | None = None
    high: float | None = None

    @property
    def reach(self) -> float:
        """How far the values go from zero."""
        return max(abs(self.low or 0.0), abs(self.high or 0.0))


class SurveyedSite(WireModel):
    """What one site contributed to a survey: its work key, the digest and number of the cases behind it, and what they
    tell of it alone."""

    site: SiteName
    work_key: Digest
    cohort: Digest
    cases: Count
    seconds: Seconds
    own: tuple[OwnValues, ...] = ()


class SurveyResult(WireModel):
    """A finished exchange of a survey; writing it is what commits it.

    Attributes:
        base: digest of the request that was answered.
        summary: of all contributing sites together.
        sites: who contributed, in roster order.
        absent: who did not.
        seconds: as of a round.
        finished: UTC time of the commit.
    """

    exchange: Annotated[int, Field(ge=1)]
    base: Digest
    summary: CohortSummary
    sites: tuple[SurveyedSite, ...]
    absent: tuple[Absence, ...]
    seconds: Seconds
    finished: Moment


class DamagedRecordError(InputError):
    """A file of the state that does not hold what was written to it."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        problem = Problem(
            "a file of the run's state is damaged",
            where=str(path),
            expected=f"a {kind} record, as it was written",
            remedy=_way_out(path),
        )
        super().__init__([problem])


def _way_out(path: Path) -> str:
    copy = "restore the state folder from a copy"
    if path.name == RESULT_FILE and path.parent.name.isdecimal():
        return f"`aggregator undo {int(path.parent.name)}` goes back to the round before it; or {copy}"
    return f"{copy[0].upper()}{copy[1:]}, or begin again with an empty one"


class Told(WireModel):
    """Which sites know that the run of a plan has ended, and why."""

    plan: Digest
    sites: tuple[SiteName, ...] = ()
    reason: Annotated[EndReason, Added("0.2.0")] = EndReason.COMPLETE


class Ended(WireModel):
    """The coordinator has ended the run of a plan, before its last round."""

    plan: Digest
    moment: Moment


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record atomically and durably, behind its digest."""
    write_checked(path, canonical_model(record))


def read_record(path: Path, model: type[Model]) -> Model | None:
    """The record of a file; None when there is no such file. Raises `DamagedRecordError`."""
    try:
        return model.model_validate_json(read_checked(path))
    except FileNotFoundError:
        return None
    except (ValidationError, DamagedError) as error:
        raise later_release(error, path) or DamagedRecordError(path, model.__name__) from None

"""What is asked of training cases while preprocessing is fitted, and what is answered: one pass over the cases each.

The same requests are answered at one hospital and at many; answers of many merge, in any order, to that of all cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from wardround.engine.basics.canonical import digest_of
from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.problems import InputError
from wardround.engine.parts.preprocessing.fitted import LANDMARKS, Within
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.percentiles import percentiles_of
from wardround.engine.summaries import Histogram, Landmarks, Moments, Octaves, Summary
from wardround.engine.summaries.histogram import MOST_BINS

BINS = 4096
"""Of every histogram that a hospital gives: half a Hounsfield unit each, between the octaves around -1000 and 1000."""


class AskOctaves(Closed):
    """How large the values of each channel are, in bins that need no range: none is told more exactly than to an eighth
    of its power of two."""

    words: ClassVar[str] = "how many values lie in each of the eight bins of every power of two"
    kind: Literal["octaves"] = "octaves"

    def answer(self, values: np.ndarray, part: int) -> Octaves:
        """Of the values of one case."""
        return Octaves.of(values)

    def nothing(self, part: int) -> Octaves:
        """Of no case."""
        return Octaves.empty()

    def is_answered_by(self, summary: Summary, cases: int, part: int) -> bool:
        """Whether a summary of so many cases can be an answer."""
        return isinstance(summary, Octaves) and summary.count >= cases and bool(summary.count) == bool(cases)


class AskMoments(Closed):
    """Mean and standard deviation of each channel, or of each number to predict."""

    words: ClassVar[str] = "the number of values, their sum and the sum of their squares"
    kind: Literal["moments"] = "moments"

    def answer(self, values: np.ndarray, part: int) -> Moments:
        """Of the values of one case."""
        return Moments.of(values)

    def nothing(self, part: int) -> Moments:
        """Of no case."""
        return Moments()

    def is_answered_by(self, summary: Summary, cases: int, part: int) -> bool:
        """Whether a summary of so many cases can be an answer."""
        return isinstance(summary, Moments) and summary.count >= cases and bool(summary.count) == bool(cases)


class Range(Closed):
    """Where the bins of a channel begin and end."""

    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high or not math.isfinite(self.high - self.low):
            raise ValueError("a range has its lower end below its upper one, by a finite number")
        return self


class AskHistogram(Closed):
    """How many values of each channel lie in equal bins, whose ends all who answer know, and beyond these."""

    words: ClassVar[str] = "how many values lie in each of 4,096 equal bins, and how many below and above these"
    kind: Literal["histogram"] = "histogram"
    ranges: tuple[Range, ...] = Field(min_length=1)
    bins: Annotated[int, Field(ge=1, le=MOST_BINS)]

    def answer(self, values: np.ndarray, part: int) -> Histogram:
        """Of the values of one case."""
        return Histogram.of(values, self.ranges[part].low, self.ranges[part].high, self.bins)

    def nothing(self, part: int) -> Histogram:
        """Of no case."""
        return Histogram.empty(self.ranges[part].low, self.ranges[part].high, self.bins)

    def is_answered_by(self, summary: Summary, cases: int, part: int) -> bool:
        """Whether a summary of so many cases can be an answer."""
        if not isinstance(summary, Histogram) or summary.bins != self.nothing(part).bins:
            return False
        return summary.count >= cases and bool(summary.count) == bool(cases)


class AskLandmarks(Closed):
    """Where the percentiles that are landmarks lie between the outermost of them, in each case."""

    words: ClassVar[str] = (
        f"the sum over cases of where each of {len(LANDMARKS)} percentiles lies on a scale from that of "
        f"{LANDMARKS[0]:g} to that of {LANDMARKS[-1]:g} per cent"
    )
    kind: Literal["landmarks"] = "landmarks"

    def answer(self, values: np.ndarray, part: int) -> Landmarks:
        """Of the values of one case. Raises `InputError` where they are all alike."""
        found = np.asarray(percentiles_of(np.array(values, dtype=np.float32).reshape(-1), LANDMARKS))
        if found[0] == found[-1]:
            raise InputError.one(
                "the case has no contrast to find landmarks in",
                got=f"{values.size:,} voxels, almost all of the value {found[0]:g}",
                remedy="Write `within: nonzero` if the rest is background, or leave the case out",
            )
        return Landmarks.of(found)

    def nothing(self, part: int) -> Landmarks:
        """Of no case."""
        return Landmarks.empty(len(LANDMARKS))

    def is_answered_by(self, summary: Summary, cases: int, part: int) -> bool:
        """Whether a summary of so many cases can be an answer."""
        return isinstance(summary, Landmarks) and summary.count == cases and len(summary.totals) == len(LANDMARKS)


Ask = Annotated[AskOctaves | AskMoments | AskHistogram | AskLandmarks, Field(discriminator="kind")]
AskKind = type[AskOctaves] | type[AskMoments] | type[AskHistogram] | type[AskLandmarks]


class PartSummary(Closed):
    """Of one channel, or one number to predict: a summary, and how many cases gave at least one value to it."""

    cases: Annotated[int, Field(ge=0)]
    summary: Summary

    def merge(self, other: Self) -> Self:
        """Both together. Raises ValueError where they are of different kinds."""
        if self.summary.kind != other.summary.kind:
            raise ValueError(f"{self.summary.kind} and {other.summary.kind} cannot be added")
        # Of one kind, as was seen; a type cannot say so of a union.
        merged: Summary = self.summary.merge(other.summary)  # type: ignore[arg-type]
        return type(self)(cases=self.cases + other.cases, summary=merged)


class CohortSummary(Closed):
    """The answer to one request from some training cases.

    Attributes:
        request: digest of what is answered.
        cases: how many training cases were looked at.
        parts: one for each channel, or for each number to predict.
    """

    request: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    cases: Annotated[int, Field(ge=0)]
    parts: tuple[PartSummary, ...] = Field(min_length=1)

    def merge(self, other: Self) -> Self:
        """The answer from both sets of cases. Raises ValueError for answers to different requests."""
        if self.request != other.request or len(self.parts) != len(other.parts):
            raise ValueError("answers to different requests cannot be added")
        parts = tuple(one.merge(two) for one, two in zip(self.parts, other.parts, strict=True))
        return type(self)(request=self.request, cases=self.cases + other.cases, parts=parts)

    @property
    def least_count(self) -> int:
        """The fewest cases that stand behind any number of it; a part that tells nothing has none behind it."""
        return min((part.cases for part in self.parts if part.cases), default=self.cases)

    def withheld(self, least: int, request: Request) -> CohortSummary:
        """The same without the parts that fewer cases stand behind, which then tell nothing."""
        nothing = request.nothing().parts
        parts = (part if part.cases >= least else none for part, none in zip(self.parts, nothing, strict=True))
        return self.model_copy(update={"parts": tuple(parts)})


class Request(Closed):
    """One question to every training case.

    Attributes:
        place: the fitted step that it is for, from 0; None where it is about numbers of the table, or about targets.
        about: which numbers of the table: those to predict, or the columns that a network is given; or the voxels of
            images that are to be made.
        within: which voxels count.
        parts: how many channels, or numbers to predict, there are.
        channels: the places of the channels that it is about, where it is about some of them alone.
        ask: what is asked of each.
        state: of the fitted steps before; the question is about what all steps before this one make of a case.
    """

    place: Annotated[int, Field(ge=0)] | None
    within: Within = "all"
    parts: Annotated[int, Field(ge=1)]
    channels: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Added("0.4.0")] = ()
    ask: Ask
    state: FittedState = EMPTY
    about: Annotated[Literal["truth", "targets", "columns"], Added("0.4.0")] = "truth"

    @model_validator(mode="after")
    def _is_of_its_parts(self) -> Self:
        if isinstance(self.ask, AskHistogram) and len(self.ask.ranges) != self.parts:
            raise ValueError("each channel has a range of its own")
        if self.channels and len(self.channels) != self.parts:
            raise ValueError("each channel that it is about is one of its parts")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON; an answer names it."""
        return digest_of(self)

    def nothing(self) -> CohortSummary:
        """The answer from no case."""
        parts = tuple(PartSummary(cases=0, summary=self.ask.nothing(part)) for part in range(self.parts))
        return CohortSummary(request=self.digest, cases=0, parts=parts)

    def answer(self, values: Sequence[np.ndarray]) -> CohortSummary:
        """The answer from one case, whose values are given for each part. Raises ValueError for another number."""
        if len(values) != self.parts:
            raise ValueError(f"{len(values)} parts were given, and {self.parts} are asked about")
        parts = tuple(self._part(each, part) for part, each in enumerate(values))
        return CohortSummary(request=self.digest, cases=1, parts=parts)

    def _part(self, values: np.ndarray, part: int) -> PartSummary:
        if not values.size:
            return PartSummary(cases=0, summary=self.ask.nothing(part))
        return PartSummary(cases=1, summary=self.ask.answer(values, part))

    def check(self, summary: CohortSummary) -> None:
        """Raise ValueError unless a summary can be an answer to this request."""
        if summary.request != self.digest:
            raise ValueError("this is the answer to another request")
        if len(summary.parts) != self.parts:
            raise ValueError(f"it has {len(summary.parts)} parts, and {self.parts} were asked about")
        for index, part in enumerate(summary.parts):
            if part.cases > summary.cases or not self.ask.is_answered_by(part.summary, part.cases, index):
                raise ValueError(f"part {index + 1} is no {self.ask.kind} of {part.cases} cases, as was asked for")

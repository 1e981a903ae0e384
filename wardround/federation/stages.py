"""What a site can be asked for: one table, which both ends read, so that neither has branches by stage.

A row says what a stage needs and what may come back. The guards at both ends let nothing else through, the courier
decides by it what it answers itself, the worker has one job for each row of work, and the aggregator one way to finish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What a task asks for. `HELLO` computes nothing; `TRAIN` evaluates the incoming model, then trains it.

    `SURVEY` answers one request about the training cases with a summary that merges with those of other sites.

    `CONCLUDE` tells that the run has ended. Only sites that named the feature `conclude` are told, and those that named
    `stopped` also of another end than a complete one.
    """

    HELLO = "hello"
    SURVEY = "survey"
    TRAIN = "train"
    EVALUATE = "evaluate"
    CONCLUDE = "conclude"


class Needed(StrEnum):
    """What goes to a site with its task, as bytes whose digest the task names as its base."""

    MODEL = "model"
    REQUEST = "request"


class Returned(StrEnum):
    """What a finished reply may hold: tensors, scores of validation and of test cases, or a summary of cases."""

    UPDATE = "update"
    SCORES = "scores"
    TEST_SCORES = "test_scores"
    SUMMARY = "summary"


@dataclass(frozen=True)
class StageTerms:
    """One row.

    Attributes:
        is_work: whether the worker does it, under a work key; anything else the courier answers at once.
        needs: what goes with the task.
        returns: what a finished reply may hold.
        rounds_after: for how many rounds after the last one of training it may be asked.
        before_training: whether it belongs to round 0, whose exchanges come before all training.
        feature: what a site must have named at its hello to be asked.
    """

    is_work: bool = False
    needs: Needed | None = None
    returns: frozenset[Returned] = frozenset()
    rounds_after: int = 0
    before_training: bool = False
    feature: str | None = None

    @property
    def trains(self) -> bool:
        """Whether the model is trained: carried state is used, and an update has to come back."""
        return Returned.UPDATE in self.returns

    @property
    def scores_tests(self) -> bool:
        """Whether it may score the test cases, which is done once."""
        return Returned.TEST_SCORES in self.returns


SURVEYS = "surveys"
"""The feature of sites that answer requests about their training cases, and take a fitted state with their tasks."""
TERMS: Mapping[Stage, StageTerms] = {
    Stage.HELLO: StageTerms(),
    Stage.SURVEY: StageTerms(
        is_work=True,
        needs=Needed.REQUEST,
        returns=frozenset({Returned.SUMMARY}),
        before_training=True,
        feature=SURVEYS,
    ),
    Stage.TRAIN: StageTerms(is_work=True, needs=Needed.MODEL, returns=frozenset({Returned.UPDATE, Returned.SCORES})),
    Stage.EVALUATE: StageTerms(
        is_work=True,
        needs=Needed.MODEL,
        returns=frozenset({Returned.SCORES, Returned.TEST_SCORES}),
        rounds_after=1,
    ),
    Stage.CONCLUDE: StageTerms(),
}

"""The table of stages is whole: each end has a way for each row, and none for what is not in it."""

from __future__ import annotations

import pytest

from wardround.aggregator.rounds.folding import FINISH
from wardround.federation.protocol import Stage
from wardround.federation.stages import TERMS, Returned, StageTerms
from wardround.site_client.worker.job import JOBS

WORK = {stage for stage, terms in TERMS.items() if terms.is_work}


def test_every_stage_has_its_terms() -> None:
    assert set(TERMS) == set(Stage)


def test_the_worker_has_a_job_for_each_stage_of_work_and_for_no_other() -> None:
    assert set(JOBS) == WORK
    assert len(WORK) >= 2


def test_the_aggregator_can_finish_each_round_of_training_and_surveys_before() -> None:
    assert set(FINISH) == {stage for stage in WORK if not TERMS[stage].before_training}
    assert [stage for stage, terms in TERMS.items() if terms.before_training] == [Stage.SURVEY]


@pytest.mark.parametrize("stage", sorted(set(Stage) - WORK))
def test_what_the_courier_answers_itself_gives_nothing_back_and_needs_nothing(stage: Stage) -> None:
    assert TERMS[stage] == StageTerms()


def test_only_training_gives_tensors_back_and_only_the_last_evaluation_scores_of_test_cases() -> None:
    assert [stage for stage, terms in TERMS.items() if terms.trains] == [Stage.TRAIN]
    assert [stage for stage, terms in TERMS.items() if terms.scores_tests] == [Stage.EVALUATE]
    assert all(terms.is_work for terms in TERMS.values() if terms.returns or terms.needs)
    assert [stage for stage, terms in TERMS.items() if Returned.SUMMARY in terms.returns] == [Stage.SURVEY]
    assert all(terms.needs is not None for terms in TERMS.values() if terms.is_work)
    assert Returned.SCORES in TERMS[Stage.TRAIN].returns

"""The guard at the site: what is not declared, not finite or of too few cases stays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.site_client.support import a_study, base_model
from tests.support.studies import REGRESSION, study_of
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import MetricValue, RefusalCode, Stage, Task
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.agreement.settings import Policy, fewest_scored
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.between.socket import CohortReport
from wardround.site_client.courier.guard import ReplyGuard

BASE = base_model()
GOOD: dict[str, np.ndarray] = {"model/weight": np.zeros((3, 2), np.float32), "model/count": np.array(8, np.int64)}
DICE = MetricValue(value=0.5, count=4)


def _guard(**changes: object) -> ReplyGuard:
    return ReplyGuard(a_study(), Policy.model_validate({"schema": 1, **changes}), "north")


def _task(stage: Stage = Stage.TRAIN) -> Task:
    return Task(
        site="north", plan="a" * 64, stage=stage, round=1, base=payload_digest(BASE), work_key="b" * 64, ask="c" * 32
    )


def _result(update: bytes | None, metrics: dict[str, MetricValue] | None = None) -> WorkResult:
    digest = None if update is None else payload_digest(update)
    return WorkResult(update=digest, train_cases=9, loss=0.5, metrics=metrics or {"dice": DICE}, seconds=1)


def _blocked(guard: ReplyGuard, task: Task, result: WorkResult, update: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        guard.release(task, result, update, BASE)
    assert caught.value.code is RefusalCode.REPLY_BLOCKED
    return caught.value.reason


def test_a_sound_result_may_leave() -> None:
    update = pack(GOOD)
    outgoing = _guard().release(_task(), _result(update), update, BASE)
    assert outgoing.reply.update == payload_digest(update)
    assert outgoing.reply.metrics == {"dice": DICE}
    assert outgoing.withheld == ()


@pytest.mark.parametrize(
    "arrays",
    [
        GOOD | {"model/weight": np.full((3, 2), np.nan, np.float32)},
        GOOD | {"model/weight": np.full((3, 2), np.inf, np.float32)},
        GOOD | {"model/weight": np.zeros((2, 3), np.float32)},
        GOOD | {"model/weight": np.zeros((3, 2), np.float16)},
        GOOD | {"model/images": np.zeros((64, 64), np.float32)},
        {"model/weight": GOOD["model/weight"]},
    ],
)
def test_tensors_that_are_not_the_models_stay(arrays: dict[str, np.ndarray]) -> None:
    update = pack(arrays)
    _blocked(_guard(), _task(), _result(update), update)


def test_bytes_that_are_no_tensors_stay() -> None:
    _blocked(_guard(), _task(), _result(b"case_007 is ill"), b"case_007 is ill")


def test_other_bytes_than_the_named_ones_stay() -> None:
    assert "not those" in _blocked(_guard(), _task(), _result(pack(GOOD)), BASE)


def test_an_evaluation_sends_no_tensors() -> None:
    update = pack(GOOD)
    _blocked(_guard(), _task(Stage.EVALUATE), _result(update), update)
    _blocked(_guard(), _task(Stage.EVALUATE), _result(None), update)
    _blocked(_guard(), _task(), _result(None), b"")
    assert _guard().release(_task(Stage.EVALUATE), _result(None), b"", BASE).update == b""


@pytest.mark.parametrize("name", ["case_007", "dice.case_007", "nsd", "test.case_007"])
def test_a_metric_that_the_study_does_not_have_stays(name: str) -> None:
    update = pack(GOOD)
    _blocked(_guard(), _task(), _result(update, {name: DICE}), update)


def test_metrics_of_few_cases_stay_and_are_named_in_the_log() -> None:
    update = pack(GOOD)
    metrics = {"dice": DICE, "dice.inner": MetricValue(value=1, count=2), "loss": MetricValue(value=1, count=3)}
    outgoing = _guard(minimum_validation_cases=3).release(_task(), _result(update, metrics), update, BASE)
    assert set(outgoing.reply.metrics) == {"dice", "loss"}
    assert outgoing.withheld == ("dice.inner",)


def test_errors_of_numbers_are_of_as_many_cases_as_a_model() -> None:
    """Of two cases, a model that says one number tells both: their errors and their squares are two equations."""
    update, study = pack(GOOD), study_of(REGRESSION)
    few, many = MetricValue(value=57.25, count=6), MetricValue(value=57.25, count=7)
    for found, leaves in ((few, set()), (many, {"mae"})):
        guard = ReplyGuard(study, Policy.model_validate({"schema": 1, "minimum_train_cases": 7}), "north")
        outgoing = guard.release(_task(), _result(update, {"mae": found}), update, BASE)
        assert set(outgoing.reply.metrics) == leaves
    assert fewest_scored(Policy.model_validate({"schema": 1, "minimum_train_cases": 7}), a_study()) == 2


def test_the_policy_decides_which_metrics_leave() -> None:
    metrics = {"dice": DICE, "loss": DICE, "test.dice.outer": DICE}
    outgoing = _guard(metrics=["dice"]).release(_task(Stage.EVALUATE), _result(None, metrics), b"", BASE)
    assert set(outgoing.reply.metrics) == {"dice", "test.dice.outer"}
    assert outgoing.reply.loss is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("dice", 1.5, "outside 0 to 1"),
        ("dice.outer", -0.1, "outside 0 to 1"),
        ("loss", 1.7e308, "outside"),
        ("recall", 0.5, "does not declare"),
        ("test.dice", 0.5, "before the last round"),
    ],
)
def test_a_number_that_is_not_declared_stays(name: str, value: float, said: str) -> None:
    update = pack(GOOD)
    result = _result(update, {name: MetricValue(value=value, count=4)})
    assert said in _blocked(_guard(), _task(), result, update)


def test_a_training_loss_beyond_all_bounds_stays() -> None:
    update = pack(GOOD)
    result = _result(update).model_copy(update={"loss": 1.7e308})
    assert "training loss" in _blocked(_guard(), _task(), result, update)


def test_a_small_cohort_takes_no_part() -> None:
    cohort = CohortReport(digest="a" * 64, train_cases=4, validation_cases=9, test_cases=9)
    with pytest.raises(Refusal) as caught:
        _guard().admit(cohort)
    assert caught.value.code is RefusalCode.COHORT_TOO_SMALL
    _guard(minimum_train_cases=4).admit(cohort)


def test_the_result_of_a_small_cohort_stays() -> None:
    update = pack(GOOD)
    with pytest.raises(Refusal) as caught:
        _guard(minimum_train_cases=10).release(_task(), _result(update), update, BASE)
    assert caught.value.code is RefusalCode.COHORT_TOO_SMALL

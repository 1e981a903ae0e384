"""What a strategy declares is what may cross: nothing undeclared, nothing missing, nothing of another form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from wardround.engine.parts import Bounds
from wardround.federation.declared import UndeclaredError
from wardround.federation.guards import GuardError
from wardround.federation.payload import pack, unpack
from wardround.federation.strategies.fedavg import FedAvg
from wardround.federation.strategies.fedprox import FedProx
from wardround.federation.strategies.scaffold import Scaffold
from wardround.federation.strategies.sharing import WEIGHTS, Group, Like, Number, Sharing, largest, model_schema

MODEL: Mapping[str, np.ndarray] = {
    "model/weight": np.ones((3, 2), np.float32),
    "model/half": np.ones(4, np.float16),
    "model/norm.running_mean": np.zeros(3, np.float32),
    "model/norm.num_batches_tracked": np.array(7, np.int64),
}
SCHEMA = model_schema(MODEL)
CONTROL = {"control/weight": np.zeros((3, 2), np.float32), "control/half": np.zeros(4, np.float32)}
SHARING = Sharing(
    down=(WEIGHTS, Group("control", "a control variate", Like.LEARNED)),
    up=(WEIGHTS, Group("control", "its change", Like.LEARNED), Group("extra", "what may come", required=False)),
    numbers=(
        Number("drift", "how far it moved", Bounds(0, 10)),
        Number("spare", "another", Bounds(-1, 1), required=False),
    ),
)
EXTRA = {name.replace("model/", "extra/"): array for name, array in MODEL.items()}


def test_a_group_like_what_is_learned_has_the_shapes_of_its_tensors_in_single_precision() -> None:
    schema = largest(SHARING.down, SCHEMA)
    assert set(schema.tensors) == {*MODEL, *CONTROL}
    assert schema.tensors["control/half"].dtype == "float32"
    assert schema.tensors["control/half"].shape == (4,)
    assert schema.tensors["model/half"].dtype == "float16"


def test_what_goes_down_first_is_the_model_beside_zeros() -> None:
    opened = SHARING.opening(MODEL)
    assert {name: array for name, array in opened.items() if name in MODEL} == MODEL
    SHARING.check_down(opened, SCHEMA)
    assert all(not array.any() for name, array in opened.items() if name.startswith("control/"))
    assert SHARING.opening(opened).keys() == opened.keys()
    assert Sharing().opening(MODEL) == MODEL


@pytest.mark.parametrize("arrays", [{**MODEL, **CONTROL}, {**MODEL, **CONTROL, **EXTRA}])
def test_declared_groups_pass_with_or_without_what_is_not_required(arrays: Mapping[str, np.ndarray]) -> None:
    SHARING.check_up(unpack(pack(arrays), largest(SHARING.up, SCHEMA)), SCHEMA)


REFUSED: Mapping[str, Mapping[str, np.ndarray]] = {
    "a group is missing": MODEL,
    "the model is missing": CONTROL,
    "a group is undeclared": {**MODEL, **CONTROL, "images/one": np.zeros((64, 64), np.float32)},
    "a group's name is longer than a declared one": {**MODEL, **CONTROL, "control2/weight": CONTROL["control/weight"]},
    "a tensor of a group is missing": {**MODEL, "control/weight": CONTROL["control/weight"]},
    "a tensor of an optional group is missing": {**MODEL, **CONTROL, "extra/weight": MODEL["model/weight"]},
    "a running statistic is among what is learned": {
        **MODEL,
        **CONTROL,
        "control/norm.running_mean": np.zeros(3, np.float32),
    },
    "another shape": {**MODEL, **CONTROL, "control/weight": np.zeros((2, 3), np.float32)},
    "another type": {**MODEL, **CONTROL, "control/weight": np.zeros((3, 2), np.float16)},
    "integers": {**MODEL, **CONTROL, "control/weight": np.zeros((3, 2), np.int64)},
    "infinite": {**MODEL, **CONTROL, "control/weight": np.full((3, 2), np.inf, np.float32)},
    "not a number": {**MODEL, **CONTROL, "control/half": np.full(4, np.nan, np.float32)},
}


@pytest.mark.parametrize("arrays", REFUSED.values(), ids=REFUSED)
def test_all_else_is_refused(arrays: Mapping[str, np.ndarray]) -> None:
    with pytest.raises(GuardError) as raised:
        SHARING.check_up(arrays, SCHEMA)
    assert "images" not in str(raised.value), "a peer's own words are not repeated"


def test_what_only_comes_up_does_not_go_down() -> None:
    with pytest.raises(GuardError):
        SHARING.check_down({**MODEL, **CONTROL, **EXTRA}, SCHEMA)


@pytest.mark.parametrize("numbers", [{"drift": 0.0}, {"drift": 10.0, "spare": -1.0}])
def test_declared_numbers_pass(numbers: dict[str, float]) -> None:
    SHARING.check_numbers(numbers)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({}, "no number drift"),
        ({"spare": 0.0}, "no number drift"),
        ({"drift": 10.5}, "outside 0 to 10"),
        ({"drift": -1e-9}, "outside"),
        ({"drift": float("nan")}, "outside"),
        ({"drift": float("inf")}, "outside"),
        ({"drift": 1.0, "spare": 2.0}, "outside"),
        ({"drift": 1.0, "patient_007": 1.0}, "1 numbers that the strategy does not declare"),
    ],
)
def test_other_numbers_are_refused(numbers: dict[str, float], said: str) -> None:
    with pytest.raises(UndeclaredError, match=said) as raised:
        SHARING.check_numbers(numbers)
    assert "patient" not in str(raised.value)


@pytest.mark.parametrize(
    "declared",
    [
        {"down": ()},
        {"down": (Group("control", "alone"),)},
        {"up": ()},
        {"up": (WEIGHTS, WEIGHTS)},
        {"up": (WEIGHTS, Group("control", "one"), Group("control", "two", Like.LEARNED))},
        {"up": (WEIGHTS, Group("Control", "in capitals"))},
        {"up": (WEIGHTS, Group("a/b", "with a stroke"))},
        {"numbers": (Number("a", "one", Bounds(0, 1)), Number("a", "two", Bounds(0, 2)))},
        {"numbers": (Number("", "none", Bounds(0, 1)),)},
    ],
)
def test_a_declaration_that_says_two_things_cannot_be_made(declared: dict[str, tuple[Group, ...]]) -> None:
    with pytest.raises(ValueError, match=r"shared|weights"):
        Sharing(**declared)  # type: ignore[arg-type]


def test_only_scaffold_sends_more_than_the_weights() -> None:
    assert FedAvg.sharing == FedProx.sharing == Sharing()
    assert [group.name for group in Scaffold.sharing.up] == ["model", "control"]

"""Guards: only tensors of the expected form, with finite numbers, pass."""

from __future__ import annotations

import numpy as np
import pytest

from wardround.federation.guards import GuardCode, GuardError, check_update, describe

ARRAYS: dict[str, np.ndarray] = {"a": np.ones((2, 3), np.float32), "n": np.array(4, np.int64)}
SCHEMA = describe(ARRAYS)


def test_tensors_of_the_expected_form_pass() -> None:
    check_update({name: array * 0 for name, array in ARRAYS.items()}, SCHEMA)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"a": None}, GuardCode.NAMES),
        ({"more": np.ones(1, np.float32)}, GuardCode.NAMES),
        ({"a": np.ones((3, 2), np.float32)}, GuardCode.SHAPE),
        ({"a": np.ones((2, 3), np.float16)}, GuardCode.DTYPE),
        ({"n": np.array(4, np.uint8)}, GuardCode.DTYPE),
        ({"a": np.full((2, 3), np.nan, np.float32)}, GuardCode.NOT_FINITE),
        ({"a": np.array([[1, 2, 3], [4, 5, -np.inf]], np.float32)}, GuardCode.NOT_FINITE),
    ],
)
def test_anything_else_is_stopped_by_its_code(change: dict[str, np.ndarray | None], code: GuardCode) -> None:
    changed = {name: array for name, array in (ARRAYS | change).items() if array is not None}
    with pytest.raises(GuardError) as caught:
        check_update(changed, SCHEMA)
    assert caught.value.code is code


def test_the_name_of_an_unknown_tensor_is_not_repeated() -> None:
    with pytest.raises(GuardError) as caught:
        check_update({**ARRAYS, "PATIENT 7": np.ones(1, np.float32)}, SCHEMA)
    assert "PATIENT" not in str(caught.value)

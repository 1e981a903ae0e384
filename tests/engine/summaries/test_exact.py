"""Sums without rounding, against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from wardround.engine.summaries.exact import Dyadic, exact_sums

FLOAT32 = arrays.arrays(
    np.float32, st.integers(0, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)
FLOAT64 = arrays.arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False, allow_infinity=False))


@given(FLOAT32 | FLOAT64)
def test_sums_are_those_of_fractions(values: np.ndarray) -> None:
    total, squares = exact_sums(values)
    fractions = [Fraction(float(value)) for value in values]
    assert total.fraction == sum(fractions)
    assert squares.fraction == sum(value * value for value in fractions)


def test_more_than_one_block_of_voxels_is_exact() -> None:
    values = np.full((3, 700_001), np.float32(16_777_215 / 16), dtype=np.float32)
    values[1] = -values[1]
    total, squares = exact_sums(values)
    assert total.fraction == 700_001 * Fraction(16_777_215, 16)
    assert squares.fraction == 3 * 700_001 * Fraction(16_777_215, 16) ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_sum(value: float, dtype: type) -> None:
    with pytest.raises(ValueError, match="finite"):
        exact_sums(np.array([1, value], dtype=dtype))


@given(st.fractions(), st.integers(0, 60))
def test_equal_numbers_have_equal_json(fraction: Fraction, places: int) -> None:
    number = Dyadic.of(fraction.numerator << 3, places + 3)
    assert number == Dyadic.of(fraction.numerator, places)
    assert number.fraction == Fraction(fraction.numerator, 2**places)
    assert Dyadic.model_validate_json(number.model_dump_json()) == number


@pytest.mark.parametrize(
    "content",
    ['{"numerator":2,"places":1}', '{"numerator":1,"places":-1}', '{"numerator":1,"places":2149}', '{"numerator":0.5}'],
)
def test_what_is_no_reduced_fraction_is_refused(content: str) -> None:
    with pytest.raises(ValidationError):
        Dyadic.model_validate_json(content)


def test_a_number_beyond_all_sums_of_floats_is_refused() -> None:
    with pytest.raises(ValidationError, match="larger"):
        Dyadic(numerator=1 << 4300)

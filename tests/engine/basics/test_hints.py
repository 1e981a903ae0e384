"""Values against annotations, and what is said of those that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from wardround.engine.basics.flaws import Flaw
from wardround.engine.basics.hints import misfit
from wardround.engine.targets import Activation

COUNT = Annotated[int, Field(ge=1)]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (np.int64(3), int),
        (np.float32(0.5), float),
        (3, float),
        ("softmax", Activation),
        ((), tuple[int, ...]),
        ((1, "a"), tuple[int, str]),
        ([1, 2], Iterator[int]),
        (frozenset({1.0}), Collection[float]),
        ({"a": (1,)}, Mapping[str, tuple[int, ...]]),
        (None, tuple[int, ...] | None),
        (True, ClassVar[bool]),
        (np.zeros(2), np.ndarray),
        (Flaw(("a", 1), "what"), Flaw),
        ((1, 2), Annotated[tuple[COUNT, ...], Field(min_length=1)]),
        (object(), Any),
    ],
)
def test_what_fits(value: object, hint: Any) -> None:
    assert misfit(value, hint) == ""


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        (True, int, "True"),
        (float("nan"), float, "nan"),
        (1.5, int, "1.5"),
        ("abc", Sequence[str], "'abc'"),
        ("foo", Activation, "'foo'"),
        ([1], tuple[int, ...], "a list"),
        ((1, "a"), tuple[int, ...], "'a'"),
        ((1, 2, 3), tuple[float, float], "a tuple of 3"),
        ({"a": (1, None)}, Mapping[str, tuple[int, ...]], "None"),
        ({1: "a"}, Mapping[str, str], "1"),
        ("maybe", Literal["all", "nonzero"], "'maybe'"),
        (int, str, "the class int"),
        (("a",), tuple[int, ...] | None, "'a'"),
        (Flaw(("a", 1.5), "what"), Flaw, "1.5 as the `location` of a Flaw"),  # type: ignore[arg-type]
        (0, COUNT, "0 (input should be greater than or equal to 1)"),
        ((), Annotated[tuple[int, ...], Field(min_length=1)], "an empty tuple (value should have at least 1 item)"),
    ],
)
def test_what_does_not_fit_is_told_by_what_is_wrong_in_it(value: object, hint: Any, said: str) -> None:
    assert misfit(value, hint) == said


HINTS = [int, str, bool, tuple[int, ...], tuple[int, str], dict[str, int], list[str] | None, Literal["a", 1], COUNT]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b"]),
    lambda inner: st.tuples(inner) | st.tuples(inner, inner) | st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(VALUES, st.sampled_from(HINTS))
def test_it_is_as_strict_as_pydantic(value: object, hint: Any) -> None:
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError:
        fits = False
    else:
        fits = True
    if hint == Literal["a", 1] and isinstance(value, bool):
        return  # equal to 1 in Python
    assert (misfit(value, hint) == "") is fits

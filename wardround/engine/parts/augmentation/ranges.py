"""Ranges that a random transform draws from, with their smaller end first."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.numbers import NonNegative


def in_order(ends: tuple[Any, Any], info: ValidationInfo) -> tuple[Any, Any]:
    """The ends of a field's range; raises pydantic's error unless the smaller one comes first."""
    if ends[0] > ends[1]:
        raise unfit(
            f"the range of `{info.field_name}` runs backwards",
            got=str(list(ends)),
            expected="the smaller number first",
            remedy=f"Write `{info.field_name}: {sorted(ends)}`",
        )
    return ends


_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Part = Annotated[float, Field(gt=0, le=1)]
_Some = Annotated[int, Field(ge=1, le=1000)]

Numbers = Annotated[tuple[float, float], AfterValidator(in_order)]
"""Of any sign."""
NonNegativeNumbers = Annotated[tuple[NonNegative, NonNegative], AfterValidator(in_order)]
PositiveNumbers = Annotated[tuple[_Positive, _Positive], AfterValidator(in_order)]
Shares = Annotated[tuple[_Share, _Share], AfterValidator(in_order)]
"""From 0 to 1."""
PositiveShares = Annotated[tuple[_Part, _Part], AfterValidator(in_order)]
"""Above 0, up to 1."""
Counts = Annotated[tuple[_Some, _Some], AfterValidator(in_order)]
"""Whole numbers of 1 or more; both ends are drawn."""

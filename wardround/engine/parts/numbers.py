"""The kinds of numbers that parameters of parts are made of."""

from typing import Annotated

from pydantic import Field

NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
ProperFraction = Annotated[float, Field(ge=0, lt=1)]
Millimetres = Annotated[float, Field(gt=0)]

"""Summaries of many cases that can be merged: in any order and any grouping they give the same, to the last byte.

All that is added is whole numbers or exact fractions. The set is closed: what a hospital may tell of its cases in one
message is one of these. Imports no torch.
"""

from typing import Annotated

from pydantic import Field

from wardround.engine.summaries.confusion import Confusion
from wardround.engine.summaries.counts import Counts
from wardround.engine.summaries.extremes import Extremes
from wardround.engine.summaries.histogram import Histogram
from wardround.engine.summaries.landmarks import Landmarks
from wardround.engine.summaries.moments import Moments
from wardround.engine.summaries.octaves import Octaves

Summary = Annotated[
    Counts | Moments | Extremes | Octaves | Histogram | Confusion | Landmarks, Field(discriminator="kind")
]
"""One of the closed set, told apart by `kind`."""

__all__ = ["Confusion", "Counts", "Extremes", "Histogram", "Landmarks", "Moments", "Octaves", "Summary"]

"""Units of scores: distances are in mm where images have sizes, and in pixels where they are photographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wardround.engine.study import Study

if TYPE_CHECKING:
    from wardround.engine.cohort import Case

_DISTANCES = ("hd95", "hd100", "assd")
_UNITS = {"seconds": "s"}
_COLOURS = ({"red", "green", "blue"}, {"r", "g", "b"})


class Length(Enum):
    """What distances are measured in."""

    MM = "mm"
    PIXELS = "pixels"
    EITHER = "mm or pixels"
    """Some images have sizes and others have none, or nobody here knows."""


@dataclass(frozen=True)
class Units:
    """The units of a page's scores."""

    length: Length

    @classmethod
    def of_study(cls, study: Study) -> Units:
        """Those of all who use a study, whose files are not known: volumes have sizes, photographs in colour none."""
        if study.dimensions == 3:
            return cls(Length.MM)
        return cls(Length.PIXELS if in_colour(study) else Length.EITHER)

    @classmethod
    def of_cases(cls, study: Study, cases: Iterable[Case]) -> Units:
        """Those of cases, by whether their files have sizes."""
        from wardround.engine.imaging.formats import format_of  # a courier has units too, and reads no image

        sized = {format_of(case.channels[0]).spatial for case in cases if case.channels}
        if len(sized) != 1:
            return cls.of_study(study)
        return cls(Length.MM if sized == {True} else Length.PIXELS)

    def named(self, name: str) -> str:
        """A score's name with its unit, as `hd95.liver (mm)`; the name alone where it has none."""
        metric = name.partition(".")[0].rpartition(" ")[2]
        unit = self.length.value if metric in _DISTANCES else _UNITS.get(metric)
        return f"{name} ({unit})" if unit else name

    def explained(self, names: Iterable[str]) -> str:
        """A sentence on the unit of distances, if any is among the names and its unit is not told; else nothing."""
        if self.length is Length.EITHER and any(self.named(name).endswith(f"({self.length.value})") for name in names):
            return "Distances are in pixels where images state no spacing, as photographs, and in mm elsewhere."
        return ""


def in_colour(study: Study) -> bool:
    """Whether the inputs are the colours of a photograph."""
    return study.dimensions == 2 and {name.lower() for name in study.inputs} in _COLOURS

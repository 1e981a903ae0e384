"""What stands beside numbers: units of scores, and words for scores that are not defined."""

from __future__ import annotations

_UNITS = {"hd95": "mm", "seconds": "s"}
PIXELS = "A photograph, which states no spacing, is measured in pixels: read mm as pixels."
UNDEFINED = "– undefined"
"""In a cell; what makes a score undefined is said in the table's caption."""


def with_unit(name: str) -> str:
    """A score's name with its unit, as `hd95.liver (mm)`; the name alone where it has none."""
    unit = _UNITS.get(name.partition(".")[0].rpartition(" ")[2])
    return f"{name} ({unit})" if unit else name


def why_undefined(task: str) -> str:
    """Why a case or a cohort may lack a score, in a sentence."""
    if task == "segmentation":
        return "Undefined: neither truth nor prediction has the class."
    return "Undefined: all cases are of one class, or the score is of a whole cohort."

"""Whether a table begins with the names of its columns; if not, one sentence says so in the place of many others."""

from __future__ import annotations

import re
from pathlib import Path

from wardround.engine.basics.problems import InputError
from wardround.engine.cohort.columns import LABEL, PATIENT, SPLIT, SUBJECT, VALUE, Layout
from wardround.engine.cohort.tables import Lines

_LOOKED_AT = 20
"""Lines among which the names of the columns are looked for."""
_FILE = re.compile(r"(?i).*\.(nii|nii\.gz|nrrd|mha|mhd|png|jpe?g|tiff?|bmp|gif|dcm)")
_NAMES = frozenset({SUBJECT, PATIENT, SPLIT, LABEL, VALUE, "Channel_0"})


def require_heading(path: Path, lines: Lines, layout: Layout) -> None:
    """Raise `InputError` where the names stand on a later line, or where the first line holds a case already."""
    if _names_in(lines[0][1]):
        return
    later = next((line for line, cells in lines[1:_LOOKED_AT] if len(_names_in(cells)) > 1), None)
    if later is not None:
        raise InputError.one(
            f"the names of the columns stand on line {later}",
            where=f"{path.name}:{lines[0][0]}",
            got=", ".join(filter(None, lines[0][1])),
            expected="the names of the columns on the first line",
            remedy="Remove the lines above them",
        )
    if any(_is_of_a_case(cell) for cell in lines[0][1]):
        raise InputError.one(
            "the first line holds a case, not the names of the columns",
            where=f"{path.name}:{lines[0][0]}",
            got=", ".join(filter(None, lines[0][1])),
            expected="the names of the columns",
            remedy=f"Put a line with the names above it, such as `{_example(layout, len(lines[0][1]))}`, in the order "
            "of the columns",
        )


def _names_in(cells: list[str]) -> set[str]:
    """Names of columns in a line, whatever separates them: a title may have misled about that."""
    return {part.strip() for cell in cells for part in re.split("[,;\t]", cell)} & _NAMES


def _is_of_a_case(cell: str) -> bool:
    """Whether a cell is the name of an image, which no column is called."""
    return _FILE.fullmatch(cell) is not None


def _example(layout: Layout, cells: int) -> str:
    channels = [f"Channel_{index}" for index in range(len(layout.inputs or ("",)))]
    needed = [SUBJECT, *channels, *layout.truth_names]
    return ",".join(needed if cells <= len(needed) else [SUBJECT, PATIENT, *needed[1:]])

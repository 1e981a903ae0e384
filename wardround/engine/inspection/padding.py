"""Whether the value with which cases are padded could be taken for a part of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.study.models import Study

_BACKGROUND = 0.01
"""A value that so many of a channel's voxels have is that of its background, wherever it lies."""
_SHOWN = 3
Range = tuple[float, float]


def is_padded(study: Study, shape: Sequence[int]) -> bool:
    """Whether a preprocessed case of this shape is smaller than a patch."""
    return any(have < need for have, need in zip(shape, study.patches.size, strict=True))


def amid(study: Study, image: np.ndarray) -> Range | None:
    """The least and the greatest value of the channel of a preprocessed case, (channels, *spatial), amid which its
    padding lies; None where it is not padded, or with a value that stands for background."""
    padding = study.patches.padding
    if not isinstance(padding, float) or not is_padded(study, image.shape[1:]):
        return None
    for channel in image:
        low, high = float(channel.min()), float(channel.max())
        if low < padding < high and np.count_nonzero(channel == padding) < _BACKGROUND * channel.size:
            return low, high
    return None


def padding_notices(study: Study, cohort: Cohort, found: Mapping[str, Range]) -> tuple[Problem, ...]:
    """What is worth knowing of cases, by subject, whose padding lies amid their values."""
    if not found:
        return ()
    subjects, padding = list(found), study.patches.padding
    named = ", ".join(map(repr, subjects[:_SHOWN]))
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    low, high = min(low for low, _ in found.values()), max(high for _, high in found.values())
    problem = Problem(
        f"the padding of cases that are smaller than the patch lies amid their values: {named}{more}",
        where=cohort.manifest.name,
        got=f"{padding:g} beside values from {low:.4g} to {high:.4g} after preprocessing",
        expected="what lies outside the body",
        remedy="State it as patches.padding, such as the low end of `clip` or `rescale`, or `minimum`; or make "
        "patches.size smaller",
    )
    return (problem,)

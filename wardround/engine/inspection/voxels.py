"""What the voxels of one case's files hold: readable to the last one, finite, and masks of known classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import Findings
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.reading import read_image, read_label
from wardround.engine.inspection.headers import attempt, inspect_headers
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.parts.preprocessing import Rescale, ZNormalize
from wardround.engine.study.models import Study

_SHOWN_VALUES = 8


def inspect_voxels(study: Study, cohort: Cohort, case: Case, findings: Findings) -> CaseFacts | None:
    """Check headers and voxels of a case; None when its headers are faulty, for then its voxels are not read."""
    headers = Findings()
    facts = inspect_headers(study, cohort, case, headers)
    findings.extend(headers.problems)
    if facts is None or headers.problems:
        return None
    flat = [_channel_is_flat(study, place, path, findings) for place, path in _channels(cohort, case)]
    present = None if case.label is None else _label(study, cohort.place(case, "Label"), case.label, findings)
    return CaseFacts(facts.grid, any(flat), present)


def _channels(cohort: Cohort, case: Case) -> list[tuple[str, Path]]:
    return [(cohort.place(case, f"Channel_{index}"), path) for index, path in enumerate(case.channels)]


def _channel_is_flat(study: Study, where: str, path: Path, findings: Findings) -> bool:
    """Check one file; whether a channel of it has equal voxels only, which no study can normalise."""
    image = attempt(read_image, where, path, findings)
    if image is None:
        return False
    place = f"{where} ({path.name})"
    broken = ~np.isfinite(image.data)
    if broken.any():
        _report_broken(broken, place, findings)
        return False
    flat = any(_is_flat(study, channel) for channel in image.data)
    if flat and _normalises(study):
        what = "the image has no contrast, so it cannot be normalised"
        findings.add(
            what, where=place, got="voxels that are all equal", remedy="Leave the case out, or export it again"
        )
    return flat


def _report_broken(broken: np.ndarray, where: str, findings: Findings) -> None:
    position = tuple(int(axis[0]) for axis in np.nonzero(broken))[1:]
    findings.add(
        "the image has values that are not numbers",
        where=where,
        got=f"{int(broken.sum()):,} that are NaN, infinite or beyond single precision, the first at {position}",
        remedy="Replace them, for instance by 0 where they lie outside the body",
    )


def _normalises(study: Study) -> bool:
    return any(isinstance(use.parameters, ZNormalize | Rescale) for use in study.preprocessing)


def _is_flat(study: Study, channel: np.ndarray) -> bool:
    """Whether all voxels are equal, or all those that are not zero where the study normalises within these."""
    steps = [use.parameters for use in study.preprocessing]
    if any(isinstance(step, ZNormalize) and step.within == "nonzero" for step in steps):
        channel = channel[channel != 0]
    return channel.size == 0 or bool(channel.min() == channel.max())


def _label(study: Study, where: str, path: Path, findings: Findings) -> frozenset[int]:
    """Check one mask; the values it holds."""
    read = attempt(read_label, where, path, findings)
    if read is None:
        return frozenset()
    mask, _ = read
    values, counts = np.unique(mask, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    unknown = {value: count for value, count in found.items() if value not in study.class_values}
    if unknown:
        shown = ", ".join(f"{value} in {count:,} voxels" for value, count in list(unknown.items())[:_SHOWN_VALUES])
        more = f" and {len(unknown) - _SHOWN_VALUES} more values" if len(unknown) > _SHOWN_VALUES else ""
        named = zip(study.class_values, study.class_names, strict=True)
        findings.add(
            "the mask has values outside the study's classes",
            where=f"{where} ({path.name})",
            got=shown + more,
            expected=", ".join(f"{value} ({name})" for value, name in named),
        )
    return frozenset(found)

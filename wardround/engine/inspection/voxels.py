"""What the voxels of one case's files hold: readable to the last one, finite, and masks of known classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.twins import Content, said_by, voxels_digest
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.reading import label_grid, read_image, read_label
from wardround.engine.imaging.sources import Source
from wardround.engine.inspection.headers import attempt, inspect_headers
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.inspection.padding import amid
from wardround.engine.parts.preprocessing.step import Contrast
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.cases import called, contrast_problems, count_broken, wanted_problems
from wardround.engine.preprocessing.exchange import FEW, copied, exchanged, exchanged_files
from wardround.engine.preprocessing.fitting import before_fitting, fitted_places
from wardround.engine.preprocessing.labels import classes_of, label_problem, value_counts
from wardround.engine.study.models import Study


@dataclass(frozen=True)
class _Mask:
    """A mask as it is in its file, the values that occur in it, and how many of its voxels the study ignores."""

    voxels: np.ndarray
    values: frozenset[int]
    ignored: int


def inspect_voxels(study: Study, cohort: Cohort, case: Case, findings: Findings) -> CaseFacts | None:
    """Check headers and voxels of a case; None when its headers are faulty, for then its voxels are not read."""
    return _inspect(study, cohort, case, findings)[0]


def inspect_steps(study: Study, cohort: Cohort, case: Case, findings: Findings) -> CaseFacts | None:
    """Check headers and voxels of a case, and that every step of its preprocessing works on it, up to one that is
    fitted: that needs all training cases."""
    own = Findings()
    facts, images = _inspect(study, cohort, case, own)
    if facts is not None and images and not own.problems:
        with own.gather():
            ready = _preprocess(study, cohort, case, images)
            facts = replace(facts, padded_amid=None if fitted_places(study) else amid(study, ready))
    findings.extend(own.problems)
    return facts


def _inspect(study: Study, cohort: Cohort, case: Case, findings: Findings) -> tuple[CaseFacts | None, list[Image]]:
    inspect = _inspect_files if study.inputs else _inspect_row
    return inspect(study, cohort, case, findings)


def _inspect_row(study: Study, cohort: Cohort, case: Case, findings: Findings) -> tuple[CaseFacts | None, list[Image]]:
    """Of a study without images there is nothing to read."""
    return inspect_headers(study, cohort, case, findings), []


def _inspect_files(
    study: Study, cohort: Cohort, case: Case, findings: Findings
) -> tuple[CaseFacts | None, list[Image]]:
    headers = Findings()
    facts = inspect_headers(study, cohort, case, headers)
    findings.extend(headers.problems)
    if facts is None or headers.problems:
        return None, []
    read = [
        (where, path, attempt(partial(read_image, dicom=study.dicom), where, path, findings))
        for where, path in _channels(cohort, case)
    ]
    flat = [_is_flat_file(study, file, findings) for file in _files(study, read)]
    images = [image for _, _, image in read if image is not None]
    mask = None if case.label is None else _label(study, cohort, case, case.label, images, findings)
    wanted = _wanted(study, cohort, case, images, findings)
    content = _content(case, images, mask, wanted) if len(images) == len(read) else None
    present = None if mask is None else mask.values
    ignored = 0 if mask is None else mask.ignored
    facts = replace(facts, has_flat_channel=any(flat), mask_values=present, content=content, ignored=ignored)
    return facts, images


def _wanted(study: Study, cohort: Cohort, case: Case, images: Sequence[Image], findings: Findings) -> list[np.ndarray]:
    """The images that are to be made, and whatever is wrong with their voxels."""
    found = []
    for place, (name, path) in enumerate(zip(study.targets, case.targets, strict=False)):
        where = cohort.place(case, f"Target_{place}")
        made = attempt(partial(read_image, dicom=study.dicom), where, path, findings)
        if made is not None and images:
            grid, spot = images[0].geometry, f"{where} ({path.name})"
            findings.extend(wanted_problems(name, made, grid, spot, study.inputs[0]))
            findings.extend(contrast_problems(name, made, spot))
            found.append(made.data)
    return found


def _content(case: Case, images: Sequence[Image], mask: _Mask | None, wanted: Sequence[np.ndarray]) -> Content:
    truth = said_by(case) if mask is None else voxels_digest([mask.voxels.astype(np.int64)])
    image = voxels_digest(channel for image in images for channel in image.data)
    return Content(image, voxels_digest(wanted) if wanted else truth)


def _preprocess(study: Study, cohort: Cohort, case: Case, images: Sequence[Image]) -> np.ndarray:
    """The preprocessed voxels. Raises `InputError` with the case's place if a step cannot work, or gives values that
    are not numbers."""
    where = cohort.place(case, "")
    sample = Sample(Image(np.concatenate([image.data for image in images]), images[0].geometry), None)
    try:
        ready = Pipeline(before_fitting(study)).apply(sample).image.data
    except InputError as error:
        raise InputError(replace(problem, where=f"{where}, {problem.where}") for problem in error.problems) from None
    broken = count_broken(ready)
    if broken:
        raise InputError.one("preprocessing gave values that are not numbers", where=where, got=f"{broken:,}")
    return ready


def _channels(cohort: Cohort, case: Case) -> list[tuple[str, Path]]:
    return [(cohort.place(case, f"Channel_{index}"), path) for index, path in enumerate(case.channels)]


@dataclass(frozen=True)
class _File:
    """An image of a case, where the table names it, and the names of the inputs that it gives."""

    place: str
    image: Image
    inputs: tuple[str, ...]


def _files(study: Study, read: Sequence[tuple[str, Path, Image | None]]) -> Iterator[_File]:
    """Those that could be read."""
    for place, (where, path, image) in enumerate(read):
        if image is not None:
            yield _File(f"{where} ({path.name})", image, study.inputs if len(read) == 1 else study.inputs[place:][:1])


def _is_flat_file(study: Study, file: _File, findings: Findings) -> bool:
    """Check one file; whether a channel of it has equal voxels only, which no study can normalise."""
    broken = ~np.isfinite(file.image.data)
    if broken.any():
        _report_broken(broken, file.place, findings)
        return False
    flat = [name for name, values in zip(file.inputs, file.image.data, strict=False) if _is_flat(study, name, values)]
    if any(_contrasts(study, name) for name in flat):
        what = "the image has no contrast, so it cannot be normalised"
        got = "voxels that are all equal"
        findings.add(what, where=file.place, got=got, remedy="Leave the case out, or export it again")
    return bool(flat)


def _report_broken(broken: np.ndarray, where: str, findings: Findings) -> None:
    position = tuple(int(axis[0]) for axis in np.nonzero(broken))[1:]
    findings.add(
        "the image has values that are not numbers",
        where=where,
        got=f"{int(broken.sum()):,} that are NaN, infinite or beyond single precision, the first at {position}",
        remedy="Replace them, for instance by 0 where they lie outside the body",
    )


def _contrasts(study: Study, name: str) -> list[Contrast]:
    """Among which voxels of an input the study's steps need values that differ."""
    asked = study.steps(lambda step: step.needs_contrast if step.reaches(name) else None)
    return [contrast for contrast in asked if contrast is not None]


def _is_flat(study: Study, name: str, values: np.ndarray) -> bool:
    """Whether all voxels are equal, or all those that are not zero where the study normalises within these."""
    chosen = values[values != 0] if "nonzero" in _contrasts(study, name) else values
    return chosen.size == 0 or bool(chosen.min() == chosen.max())


def _label(
    study: Study, cohort: Cohort, case: Case, path: Path, images: Sequence[Image], findings: Findings
) -> _Mask | None:
    """Check one mask; None where it cannot be read, or stands in the place of an image."""
    where, own = cohort.place(case, "Label"), Findings()
    read = attempt(partial(_read_mask, study, case.channels[0]), where, path, own)
    found = {} if read is None else value_counts(read[0])
    ignored = sum(found.get(value, 0) for value in study.ignored_values)
    mask = None if read is None else _Mask(read[0], frozenset(found), ignored)
    problem = None if mask is None else label_problem(study, case.subject, f"{where} ({path.name})", found)
    mixed_up = _mixed_up(study, case, path, images, mask)
    findings.extend([mixed_up] if mixed_up is not None else [*own.problems, *([] if problem is None else [problem])])
    return None if mixed_up is not None else mask


def _mixed_up(study: Study, case: Case, path: Path, images: Sequence[Image], mask: _Mask | None) -> Problem | None:
    channels = [image.data[0] for image in images if len(image.data) == 1]
    if len(channels) < len(case.channels):
        return None
    if mask is None:
        return exchanged_files(case, channels, Source(path))
    is_like_an_image = len(mask.values - {*classes_of(study), *study.ignored_values}) > FEW and study.rest == "error"
    return (exchanged if is_like_an_image else copied)(case, channels, mask.voxels)


def _read_mask(study: Study, image: Path, path: Path) -> tuple[np.ndarray, Geometry]:
    with called("mask"):
        return read_label(path, label_grid(path, image, study.dicom), study.dicom)

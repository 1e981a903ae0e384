"""Read a case's files into a sample: channels on one grid, mask values turned into class indices."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort.models import Case
from wardround.engine.imaging import label_grid, read_image, read_label, takes_grid
from wardround.engine.imaging.geometry import file_differences, only_rounded, plain_geometry
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.sources import Source
from wardround.engine.preprocessing.labels import class_indices, label_problem, value_counts
from wardround.engine.preprocessing.regridding import regridding
from wardround.engine.preprocessing.sample import Sample
from wardround.engine.study import Study
from wardround.engine.targets import Told, target_of

if TYPE_CHECKING:
    from wardround.engine.imaging.reading import Onto


@contextlib.contextmanager
def naming(case: Case, part: str = "") -> Iterator[None]:
    """While a case is worked on: problems name it, and `part`, what of it is at fault.

    A file of the case that cannot be opened is one of its problems too.
    """
    try:
        yield
    except InputError as error:
        raise InputError(_named(problem, case, part) for problem in error.problems) from None
    except OSError as error:
        if str(error.filename) not in {str(path) for path in case.files}:
            raise
        place = f"{case.name}, {part or error.filename}"
        remedy = "Have its rights or its drive looked at, or leave the case out"
        got = error.strerror or type(error).__name__
        raise InputError.one("the file cannot be read", where=place, got=got, remedy=remedy) from None


@contextlib.contextmanager
def called(word: str) -> Iterator[None]:
    """While a mask is read: what is wrong with it is said of the mask, or of what stands in its place, by this word."""
    try:
        yield
    except InputError as error:
        raise InputError(replace(problem, what=_said_of(problem.what, word)) for problem in error.problems) from None


def _said_of(what: str, word: str) -> str:
    for noun in ("image", "mask"):
        if what.startswith(f"the {noun} "):
            return f"the {word} {what.removeprefix(f'the {noun} ')}"
    return what


def _named(problem: Problem, case: Case, part: str) -> Problem:
    if problem.where.startswith(case.name):
        return problem
    # What comes from a file says which one; that is in `part`.
    detail = "" if any(str(path) in problem.where for path in case.files) and part else problem.where
    return replace(problem, where=", ".join(piece for piece in (case.name, part, detail) if piece))


def image_of(case: Case) -> str:
    """What messages call the image of a case, with its files."""
    return f"image {', '.join(map(str, case.channels))}"


def read_sample(
    study: Study, case: Case, source_of: Callable[[Path], Source] = Source, mask_word: str = "mask"
) -> Sample:
    """The voxels of a case as they are in its files. Raises `InputError` that names the case and all that is wrong.

    `source_of` tells where a file's bytes are read, for those who have read them already. `mask_word` is what the mask
    is called: the truth, or a prediction that was put in its place.
    A file may hold several channels (RGB, a fourth axis) if it is the only one and has as many as the study has inputs.
    A case without a mask, or a study that needs none, gives a sample without a label.
    """
    if not study.inputs:
        return without_image(study)
    findings = Findings()
    mask: tuple[np.ndarray, Geometry] | None = None
    images: list[Image] = []
    in_masks = Findings()
    needs_grid = case.label is not None and takes_grid(case.label, case.channels[0])
    if not needs_grid:
        with in_masks.gather(), naming(case, f"{mask_word} {case.label}"), called(mask_word):
            # First, while no image is held: a mask in the file may be of a wide type.
            mask = _read_classes(study, case, source_of)
    for path in case.channels:
        with findings.gather(), naming(case, f"image {path}"):
            images.append(read_image(source_of(path), study.dicom))
    if needs_grid and images:
        with in_masks.gather(), naming(case, f"{mask_word} {case.label}"), called(mask_word):
            mask = _read_classes(study, case, source_of, _onto(study, case, images[0].geometry))
    findings.extend(in_masks.problems)
    findings.raise_if_any()
    findings.extend(_channel_problems(study, case, images))
    findings.raise_if_any()
    image = _joined(images)
    _require_finite(case, image.data)
    if mask is None:
        return Sample(image, None, wanted=_wanted(study, case, image, source_of))
    problems = _grid_problem(case, f"{mask_word} {case.label}", mask[1], image.geometry)
    if problems:
        raise InputError(problems)
    return Sample(image, mask[0])


def _onto(study: Study, case: Case, grid: Geometry) -> Onto:
    """What a mask is laid onto: the grid of its image, whose slices may have been laid onto it themselves."""
    label = case.label if study.dicom.resamples else None
    return (label_grid(label, case.channels[0], study.dicom) if label is not None else None) or grid


def _wanted(study: Study, case: Case, image: Image, source_of: Callable[[Path], Source]) -> np.ndarray | None:
    """float32 (targets, *spatial): the images that are to be made of a case, with the intensities of their files."""
    own = target_of(study).made_of_inputs(study)
    if own:
        return image.data[[*own]]
    if not case.targets:
        return None
    findings, found = Findings(), list[np.ndarray]()
    for name, path in zip(study.targets, case.targets, strict=True):
        with findings.gather(), naming(case, f"target {path}"):
            made = read_image(source_of(path), study.dicom)
            where = f"{case.name}, target {path}"
            problems = wanted_problems(name, made, image.geometry, where, study.inputs[0])
            findings.extend(problems or contrast_problems(name, made, where))
            found.append(made.data)
    findings.raise_if_any()
    return np.concatenate(found)


def wanted_problems(name: str, made: Image, grid: Geometry, where: str, first: str) -> list[Problem]:
    """What is wrong with a file of an image that is to be made on a grid: that of the input that is called `first`."""
    if len(made.data) != 1:
        what, got = f"the file does not hold one image {name}", f"{len(made.data)} values per voxel"
        return [Problem(what, where, got, "1", "Give one grey file per target, and name several in `targets`")]
    differences = file_differences(made.geometry, grid)
    if differences:
        what = f"the image {name} does not lie on the grid of the image that it is to be made from"
        return [Problem(what, where, "; ".join(differences), remedy=regridding("image", first, made.geometry, grid))]
    broken = count_broken(made.data)
    if broken:
        got, remedy = f"{broken:,} that are NaN or infinite", "Replace them, for instance by 0 outside the body"
        return [Problem(f"the image {name} has values that are not numbers", where, got, remedy=remedy)]
    return []


def contrast_problems(name: str, made: Image, where: str) -> list[Problem]:
    """What is wrong with an image that nothing can be learned from; one that is broken is told of elsewhere."""
    if made.data.min() != made.data.max():
        return []
    remedy = "Leave the case out, or export the image again"
    return [Problem(f"the image {name} has no contrast", where, "voxels that are all equal", remedy=remedy)]


def without_image(study: Study) -> Sample:
    """A case of a study of a table alone: no channels, on the grid of a patch."""
    size = study.patches.size
    return Sample(Image(np.empty((0, *size), dtype=np.float32), plain_geometry(size)), None)


def _joined(images: list[Image]) -> Image:
    """All channels as one image. Empties the list, so that no channel is held twice for longer than its copy takes."""
    first = images[0]
    if len(images) == 1:
        images.clear()
        return first
    data = np.empty((len(images), *first.geometry.shape), dtype=np.float32)
    for index in reversed(range(len(images))):
        data[index] = images.pop().data[0]
    return Image(data, first.geometry)


def told_of(study: Study, case: Case) -> Told:
    """What the table tells of a case's truth. Raises `InputError` that names the case where the study knows no such
    value."""
    with naming(case):
        return target_of(study).told(study, case.value)


def _channel_problems(study: Study, case: Case, images: list[Image]) -> list[Problem]:
    found = []
    expected = len(study.inputs)
    counts = [image.data.shape[0] for image in images]
    if counts != [1] * expected and counts != [expected]:
        found.append(
            Problem(
                "the files do not give one channel per input of the study",
                case.name,
                got=" + ".join(f"{count} ({path.name})" for count, path in zip(counts, case.channels, strict=True)),
                expected=f"{expected} ({', '.join(study.inputs)})",
                remedy="Give one grey file per input, or one file that holds them all",
            )
        )
    found.extend(_axis_problem(study, case, images[0].geometry))
    for path, image in zip(case.channels[1:], images[1:], strict=True):
        found.extend(_grid_problem(case, f"image {path}", image.geometry, images[0].geometry))
    return found


def _axis_problem(study: Study, case: Case, geometry: Geometry) -> list[Problem]:
    if geometry.dimensions == study.dimensions:
        return []
    got, expected = f"{geometry.dimensions} axes", f"{study.dimensions}, as model.dimensions says"
    where = f"{case.name}, image {case.channels[0]}"
    return [Problem("the image has the wrong number of axes", where, got, expected)]


def _grid_problem(case: Case, part: str, geometry: Geometry, reference: Geometry) -> list[Problem]:
    differences = file_differences(geometry, reference)
    if not differences:
        return []
    image, word = case.channels[0].name, part.partition(" ")[0]
    remedy = regridding(word, image, geometry, reference)
    if word == "prediction":
        remedy = f"Predict again from {image}. Is the prediction of another program? {remedy}"
    if only_rounded(geometry, reference):
        remedy = (
            f"The spacings differ by rounding alone: write that with more decimals into both headers, as in {image}"
        )
    what = f"the {word} does not lie on the grid of the image {image}"
    return [Problem(what, f"{case.name}, {part}", got="; ".join(differences), remedy=remedy)]


def _require_finite(case: Case, data: np.ndarray) -> None:
    broken = count_broken(data)
    if broken:
        got = f"{broken:,} of {data.size:,} voxels are NaN or infinite"
        where = f"{case.name}, {image_of(case)}"
        remedy = "Replace them, for instance by 0 where they lie outside the body"
        raise InputError.one("the image has values that are not numbers", where=where, got=got, remedy=remedy)


def count_broken(data: np.ndarray) -> int:
    """How many values are NaN or infinite."""
    return sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in blocks(data))


def _read_classes(
    study: Study, case: Case, source_of: Callable[[Path], Source], onto: Onto | None = None
) -> tuple[np.ndarray, Geometry] | None:
    """The mask as indices in `Study.class_names`, uint8 where they fit, and its grid; that of its image, if given."""
    if case.label is None or not target_of(study).on_grid:
        return None
    mask, geometry = read_label(source_of(case.label), onto, study.dicom)
    return _to_indices(study, case, mask), geometry


def _to_indices(study: Study, case: Case, mask: np.ndarray) -> np.ndarray:
    found = value_counts(mask)
    problem = label_problem(study, case.subject, "", found)
    if problem is not None:
        raise InputError([problem])
    return class_indices(study, mask, found)

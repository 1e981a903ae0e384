"""What the headers of one case's files say: format, number of axes and channels, one grid for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wardround.engine.basics.dicom import Dicom
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import unreadable
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.geometry import file_differences, only_rounded, plain_geometry, rounding_words
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.holding import size_or_none
from wardround.engine.imaging.image import Geometry, Remark
from wardround.engine.imaging.lossy import lossy_kind
from wardround.engine.imaging.reading import (
    drawn_on,
    label_grid,
    read_header,
    read_label,
    read_label_header,
    takes_grid,
)
from wardround.engine.inspection.exchanged import ASTRAY
from wardround.engine.inspection.inputs import ONE_OF_SEVERAL
from wardround.engine.inspection.layers import layered
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.inspection.spacings import foreign_spacings
from wardround.engine.preprocessing.cases import called
from wardround.engine.preprocessing.regridding import regridding
from wardround.engine.study.models import Study

if TYPE_CHECKING:
    from wardround.engine.imaging.reading import Onto

Read = TypeVar("Read")
OTHER_AXES = "the image does not have the model's number of axes"
OTHER_CHANNELS = "the file does not have the study's channels"
_COLOURS, _SPATIAL = 3, 3
_ROUNDED = "files of a case have the same spacing but for rounding; they count as one grid"
_COPY_SPACING = (
    "Write the spacing with more decimals into the other header too (with SimpleITK, "
    "`mask.CopyInformation(image)`); nothing is to be resampled"
)


def inspect_headers(study: Study, cohort: Cohort, case: Case, findings: Findings) -> CaseFacts | None:
    """Check the headers of a case's channels and truth; None when its first channel cannot be read."""
    if not study.inputs:
        return CaseFacts(plain_geometry(study.patches.size), channels=0)
    files = [(cohort.place(case, f"Channel_{index}"), path) for index, path in enumerate(case.channels)]
    channels = [
        (where, attempt(partial(read_header, dicom=study.dicom), where, path, findings)) for where, path in files
    ]
    for where, header in channels:
        if header is not None:
            _check_shape(study, header, len(files), where, findings)
    first = channels[0][1]
    if first is None:
        return None
    findings.extend(foreign_spacings(study, first.geometry, cohort.place(case, "")))
    if case.label is not None:
        channels.append(_mask(study, cohort.place(case, "Label"), case, case.label, first, findings))
    channels.extend(_targets(study, cohort, case, findings))
    _check_grids(study, first, channels[1:], findings)
    present = [header for _, header in channels if header is not None]
    # Now, while it is known which files make a series: whoever asks later would have to read all its headers again.
    sizes = tuple(map(size_or_none, case.channels))
    count = max(first.channels, len(files))
    return CaseFacts(first.geometry, channels=count, remarks=_remarks(first, present), sizes=sizes)


def _mask(
    study: Study, where: str, case: Case, label: Path, first: Header, findings: Findings
) -> tuple[str, Header | None]:
    """The place of a mask and its header; None where it cannot be read, or was drawn on another scan."""
    drawn = None
    with Findings().gather(), contextlib.suppress(OSError):  # what cannot be read is told of by its reader
        drawn = drawn_on(label, case.channels[0])
    if isinstance(drawn, Problem):
        findings.extend([_within(where, label, drawn)])
        return where, None
    mask = _mask_header(study, where, label, _onto(study, case, label, first), findings)
    if mask is not None and drawn is not None:
        mask = replace(mask, remarks=(*mask.remarks, drawn))
    return where, mask


def _onto(study: Study, case: Case, label: Path, first: Header) -> Onto | None:
    """What a mask is laid onto: the grid of its image, whose slices may have been laid onto it themselves. None for one
    that has a grid of its own."""
    if study.dicom.resamples:
        return label_grid(label, case.channels[0], study.dicom)
    return first.geometry if takes_grid(label, case.channels[0]) else None


def _targets(study: Study, cohort: Cohort, case: Case, findings: Findings) -> Iterator[tuple[str, Header | None]]:
    """The places and headers of the images that are to be made, each a file of one channel."""
    for place, path in enumerate(case.targets):
        where = cohort.place(case, f"Target_{place}")
        header = attempt(partial(read_header, dicom=study.dicom), where, path, findings)
        if header is not None and header.geometry.dimensions != study.dimensions:
            _check_shape(study, header, 1 + len(case.targets), where, findings)
        elif header is not None and header.channels != 1:
            what, remedy = OTHER_CHANNELS, "Give one grey file per target, and name several in `targets`"
            findings.add(what, where=where, got=_held(header), expected=_values(1), remedy=remedy)
        yield where, header


def _check_grids(study: Study, first: Header, others: Iterable[tuple[str, Header | None]], findings: Findings) -> None:
    for where, header in others:
        if header is not None and _comparable(study, first, header, where):
            _check_grid(study, header.geometry, first.geometry, where, findings)


def _comparable(study: Study, first: Header, header: Header, where: str) -> bool:
    """Whether a grid may be compared with that of the first channel: files with other axes than the model's are told of
    already, and what else fits them is right."""
    return study.dimensions == first.geometry.dimensions and (
        study.dimensions == header.geometry.dimensions or where.endswith("Label")
    )


def _remarks(first: Header, headers: Iterable[Header]) -> tuple[Remark, ...]:
    own = [remark for header in headers for remark in header.remarks]
    rounded = (rounding_words(header.geometry, first.geometry) for header in headers)
    return *own, *(Remark(_ROUNDED, words, _COPY_SPACING) for words in rounded if words)


def _mask_header(study: Study, where: str, path: Path, grid: Onto | None, findings: Findings) -> Header | None:
    """The header of the mask of an image that lies on `grid`, or is laid onto it; None where it cannot be read."""
    read = partial(_read_mask_header, grid, study.dicom)
    lossy = lossy_kind(path)
    if lossy:
        findings.add(
            "the mask is stored as JPEG, which changes the numbers at every edge",
            where=f"{where} ({path.name})",
            got=lossy,
            expected="a format that keeps every number, such as .png or .nii.gz",
            remedy="Export the mask anew as .png or .nii.gz from the program in which it was drawn; converting the "
            "JPEG does not bring the numbers back",
        )
        return attempt(read, where, path, Findings())
    mask = attempt(read, where, path, findings)
    if mask is not None and mask.channels != 1 and not _is_grey(mask, path):
        findings.extend([layered(study, f"{where} ({path.name})", path, mask)])
    return mask


def _is_grey(mask: Header, path: Path) -> bool:
    """Whether a mask was saved in colours and has none."""
    return mask.channels == 3 and attempt(read_label, "", path, Findings()) is not None


def _read_mask_header(grid: Onto | None, dicom: Dicom, path: Path) -> Header:
    with called("mask"):
        return read_label_header(path, grid, dicom)


def attempt(read: Callable[[Path], Read], where: str, path: Path, findings: Findings) -> Read | None:
    """What `read` makes of a file; None, and findings with the manifest's row, when it cannot be read."""
    try:
        return read(path)
    except InputError as error:
        findings.extend(_within(where, path, problem) for problem in error.problems)
    except PermissionError as error:
        findings.extend(
            replace(each, where=f"{where} ({path.name})") for each in unreadable(path, "file", error).problems
        )
    return None


def _within(where: str, path: Path, problem: Problem) -> Problem:
    """A problem of a file, told with the manifest's row that names it."""
    detail = problem.where.replace(str(path), path.name)
    return replace(problem, where=f"{where} ({detail or path.name})")


def _check_grid(study: Study, grid: Geometry, first: Geometry, where: str, findings: Findings) -> None:
    """All files of a case must lie on the grid of its first channel."""
    differences = file_differences(grid, first)
    if differences and only_rounded(grid, first):
        findings.add(
            "the spacing is that of Channel_0 but for rounding, which moves voxels by half of one or more",
            where=where,
            got="; ".join(differences),
            expected=f"the spacing of Channel_0 ({study.inputs[0]}) with all its decimals",
            remedy=_COPY_SPACING,
        )
    elif differences:
        findings.add(
            ASTRAY,
            where=where,
            got=f"{_grid_words(grid)}: {'; '.join(differences)}",
            expected=f"the grid of Channel_0 ({study.inputs[0]}), {_grid_words(first)}",
            remedy=_slice_remedy(grid, first, differences)
            or regridding("mask" if where.endswith("Label") else "image", study.inputs[0], grid, first),
        )


def _slice_remedy(grid: Geometry, first: Geometry, differences: Sequence[str]) -> str:
    """What to do about a grid that is the other one but for a slice; empty for any other."""
    if len(differences) != 1 or len(grid.shape) != len(first.shape):
        return ""
    more = [own - other for own, other in zip(grid.shape, first.shape, strict=True) if own != other]
    if more not in ([-1], [1]):
        return ""
    return f"Export the file again: it has a slice {'less' if more == [-1] else 'more'} than the image"


def _grid_words(grid: Geometry) -> str:
    sizes, spacings = (" x ".join(f"{value:g}" for value in values) for values in (grid.shape, grid.spacing))
    return f"{sizes} voxels of {spacings} mm"


def _check_shape(study: Study, header: Header, files: int, where: str, findings: Findings) -> None:
    grid, expected = header.geometry, 1 if files > 1 else len(study.inputs)
    if grid.dimensions != study.dimensions:
        findings.add(
            OTHER_AXES,
            where=where,
            got=f"{grid.dimensions} axes of {' x '.join(map(str, grid.shape))} voxels",
            expected=f"{study.dimensions}, as model.dimensions says",
            remedy="Write `dimensions: 2` for single images and `dimensions: 3` for volumes in `model`, or give other "
            "files",
        )
    elif header.channels != expected:
        is_one = header.channels == 1 and files == 1
        findings.add(
            ONE_OF_SEVERAL if is_one else OTHER_CHANNELS,
            where=where,
            got=_held(header),
            expected=_values(expected),
            remedy=_channel_remedy(study, header, expected),
        )


def _held(header: Header) -> str:
    many = header.geometry.dimensions == _SPATIAL and header.channels > 1
    return f"{header.channels} volumes in one file" if many else _values(header.channels)


def _channel_remedy(study: Study, header: Header, expected: int) -> str:
    found = header.channels
    if header.geometry.dimensions == _SPATIAL and found > 1:
        several = f"; a file that holds all inputs has {expected}" if expected > 1 else ""
        one = f"Take one of the {found} volumes, or their mean, and save it as a file of its own{several}"
        return f"Is it a series, such as fMRI, diffusion or contrast? {one}"
    if found == _COLOURS and expected == 1:
        return "For colour images name three inputs, `inputs: [red, green, blue]`, or convert the files to grey"
    return f"Give one grey file per input ({', '.join(study.inputs)}), or one file that holds them all"


def _values(count: int) -> str:
    return "1 value per voxel" if count == 1 else f"{count} values per voxel"

"""Series of an export that make no grid, written as volumes that do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.engine.basics.loudness import note
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cli.options import require_new_file

if TYPE_CHECKING:
    from wardround.engine.imaging.dicom.catalogue import Catalogue, ListedSeries
    from wardround.engine.imaging.dicom.regridding import Regridding


def resampled(found: Catalogue, folder: Path) -> Catalogue:
    """The same with volumes in the place of series that were refused as tilted or uneven.

    Nothing is replaced: raises `InputError`, before anything is written, for files that are there already. A series
    that cannot be resampled keeps its problems.
    """
    findings = Findings()
    for each in filter(_is_regridded, found.series):
        for name in _names(each):
            with findings.gather():
                require_new_file(folder / name, "--resample")
    findings.raise_if_any()
    return replace(
        found, series=tuple(_written(each, folder) if _is_regridded(each) else each for each in found.series)
    )


def _is_regridded(each: ListedSeries) -> bool:
    from wardround.engine.imaging.dicom.stacking import TILTED, UNEVEN

    return bool(each.problems) and all(problem.what in (TILTED, UNEVEN) for problem in each.problems)


def _names(each: ListedSeries) -> list[str]:
    masks = [f"{each.subject}-mask.nii.gz"] if len(each.segmentations) == 1 else []
    return [f"{each.subject}.nii.gz", *masks]


def _written(each: ListedSeries, folder: Path) -> ListedSeries:
    """The series as the volume that was written of it, with its mask, if it has one."""
    from wardround.engine.imaging import write_image
    from wardround.engine.imaging.dicom.regridding import regridding_of, resampled_image

    try:
        how = regridding_of(each.path)
        image = resampled_image(how)
    except InputError as error:
        return replace(each, problems=error.problems)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _names(each)[0]
    write_image(path, image)
    note(f"note: {path.name}: {how.told}; interpolated slices were not measured")
    masks, problems = _mask(each, how, folder)
    return replace(each, path=path.absolute(), grid=how.grid, files=1, segmentations=masks, problems=problems)


def _mask(each: ListedSeries, how: Regridding, folder: Path) -> tuple[tuple[Path, ...], tuple[Problem, ...]]:
    from wardround.engine.imaging import write_label
    from wardround.engine.imaging.dicom.regridding import resampled_mask

    if len(each.segmentations) != 1:
        return (), ()
    try:
        values = resampled_mask(how, each.segmentations[0])
    except InputError as error:
        return (), error.problems
    path = folder / _names(each)[1]
    write_label(path, values, how.grid)
    return (path.absolute(),), ()

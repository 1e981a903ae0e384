"""Where a NIfTI's voxels lie in space, and what its header says against itself.

A header has up to three answers: the sform (a matrix), the qform (a rotation, with the spacing in `pixdim`), and
`pixdim` alone. The first of them that is coded and rectangular counts, as in nibabel. ITK takes directions from the
sform or the qform by their codes, and the spacing always from `pixdim`; where that would be something else the header
contradicts itself, and a remark says so. Where nobody should guess, a header is refused: other sizes of voxels, or
other axes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.geometry import (
    TOLERANCE,
    direction_matrix,
    flat,
    rectangular,
    spacing_words,
    voxels_apart,
    with_third,
)
from wardround.engine.imaging.image import Geometry, Remark, Space

nib: Any = nibabel  # its annotations cover only a part of it

_SAME_SPACING = 0.01
"""Relative difference of two spacings of one header beyond which nobody should guess which is right."""
_SAME_AXIS = 0.7
"""Cosine of the angle between an axis by the sform and by the qform: below, they point elsewhere."""
_UNITS = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_MAKE_ONE = "Find out which is right and write it into both, for instance with nibabel's set_sform and set_qform"

_Form = Geometry | str | None
"""A transform that is coded, as a grid or as what keeps it from being one; None for one that is not coded."""


@dataclass(frozen=True)
class Placement:
    """The grid of a NIfTI, and what is worth knowing of how it was found."""

    geometry: Geometry
    remarks: tuple[Remark, ...]
    space: Space


def sform_grid(header: Any, shape: tuple[int, ...]) -> _Form:
    """The grid by a nibabel header's sform."""
    if int(header["sform_code"]) <= 0:
        return None
    matrix = np.stack([header[f"srow_{name}"] for name in "xyz"]).astype(np.float64)
    return _rectangular(matrix[:, :3], matrix[:, 3], header, shape)


def qform_grid(header: Any, shape: tuple[int, ...]) -> _Form:
    """The grid by a nibabel header's qform."""
    if int(header["qform_code"]) <= 0:
        return None
    spacing = _pixdim(header, shape)
    fault = _spacing_fault(spacing)
    vector = np.array([header[f"quatern_{name}"] for name in "bcd"], dtype=np.float64)
    length = float(vector @ vector)
    if fault or not length <= 1.001:
        return fault or f"a rotation that is none ({', '.join(f'{value:g}' for value in vector)})"
    rotation = nib.quaternions.quat2mat([np.sqrt(max(0.0, 1 - length)), *vector])
    steps = rotation * spacing * (1, 1, -1 if float(header["pixdim"][0]) < 0 else 1)
    origin = np.array([header[f"qoffset_{name}"] for name in "xyz"], dtype=np.float64)
    return _rectangular(steps, origin, header, shape)


def place(path: Path, header: Any, shape: tuple[int, ...]) -> Placement:
    """The grid that a nibabel header gives to voxels of `shape`, 2 or 3 axes, x first.

    Raises `InputError` where it gives none, or two between which nobody should choose.
    """
    solid = (*shape, 1)[:3]
    sform, qform = (_thin(form, shape) for form in (sform_grid(header, solid), qform_grid(header, solid)))
    remarks, space = _unit_remarks(header), Space.BODY
    if isinstance(sform, Geometry):
        grid = sform
        remarks += _beside_sform(path, header, sform, qform)
    elif isinstance(qform, Geometry):
        grid = qform
        remarks += () if sform is None else (Remark("the sform cannot be used, so the qform counts", sform),)
    else:
        _require_none(path, sform or qform)
        grid, space = _by_spacing(path, header, solid), Space.SIZES
        remedy = "Export it again with its orientation, or see in `preview` that all images lie alike"
        remarks += (Remark("the orientation is unknown: neither sform nor qform is coded", remedy=remedy),)
    return Placement(flat(grid) if len(shape) == 2 else grid, remarks, space)


def _require_none(path: Path, fault: str | None) -> None:
    """Raise `InputError` where what is coded cannot be used."""
    if fault:
        remedy = "Resample it to a rectangular grid first" if "angles" in fault else _MAKE_ONE
        raise InputError.one("the image's place in space cannot be read", where=str(path), got=fault, remedy=remedy)


def _thin(form: _Form, shape: tuple[int, ...]) -> _Form:
    """A flat image's grid without the thickness, which its headers fill in as they like."""
    if len(shape) == 3 or not isinstance(form, Geometry):
        return form
    return replace(form, spacing=(*form.spacing[:2], 1.0))


def _unit_code(header: Any) -> int:
    return int(header["xyzt_units"]) & 7


def millimetres(header: Any) -> float:
    """Of the unit in which a header counts."""
    return _UNITS.get(_unit_code(header), ("", 1.0))[1]


def _unit_remarks(header: Any) -> tuple[Remark, ...]:
    code = _unit_code(header)
    if code in _UNITS:
        name, factor = _UNITS[code]
        return (Remark(f"the header counts in {name}, which become millimetres", f"a factor of {factor:g}"),)
    return (Remark("the header's unit of length is unknown; taken as millimetres", f"code {code}"),) if code > 3 else ()


def _pixdim(header: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The spacing as stored; of the axis that a flat image does not have, 1."""
    spacing = np.array(header["pixdim"][1:4], dtype=np.float64)
    if int(header["dim"][0]) == 2 and not spacing[2] > 0:
        spacing[2] = 1.0
    return spacing


def _spacing_fault(spacing: np.ndarray) -> str:
    """What is wrong with spacings, in words; empty if nothing is."""
    if np.isfinite(spacing).all() and (spacing > 0).all():
        return ""
    return f"a spacing of {spacing_words(spacing)}"


def _rectangular(steps: np.ndarray, origin: np.ndarray, header: Any, shape: tuple[int, ...]) -> Geometry | str:
    """The grid of a matrix in NIfTI's axes and the header's unit, or why it is none."""
    unit = _TO_LPS * millimetres(header)
    if shape[2] == 1 and np.isfinite(steps).all() and not np.any(steps[:, 2]):
        return rectangular(with_third(unit @ steps), unit @ origin, shape)
    return rectangular(unit @ steps, unit @ origin, shape)


def _beside_sform(path: Path, header: Any, sform: Geometry, qform: _Form) -> tuple[Remark, ...]:
    """What the rest of a header says against the sform. Raises `InputError` where nobody should choose."""
    if isinstance(qform, str):
        return (Remark("the qform cannot be used; the sform counts", qform),)
    if qform is None:
        return _beside_uncoded(header, sform)
    apart = voxels_apart(sform, qform)
    if apart <= TOLERANCE:
        return ()
    _require_alike(path, sform, qform)
    got = f"up to {apart:.2g} voxels apart"
    return (Remark("sform and qform place the image differently; the sform counts", got, _MAKE_ONE),)


def _beside_uncoded(header: Any, sform: Geometry) -> tuple[Remark, ...]:
    spacing = _pixdim(header, sform.shape) * millimetres(header)
    if int(header["dim"][0]) == 2:
        spacing[2] = sform.spacing[2]
    if np.allclose(spacing, sform.spacing, rtol=_SAME_SPACING):
        return ()
    got = f"pixdim {spacing_words(spacing)}, sform {spacing_words(np.asarray(sform.spacing))} mm"
    return (Remark("pixdim, which belongs to no coded transform, has another spacing; the sform counts", got),)


def _require_alike(path: Path, sform: Geometry, qform: Geometry) -> None:
    one, other = np.asarray(sform.spacing), np.asarray(qform.spacing)
    if not np.allclose(one, other, rtol=_SAME_SPACING):
        got = f"sform {spacing_words(one)} mm, qform {spacing_words(other)} mm"
        raise InputError.one(
            "sform and qform give the voxels different sizes", where=str(path), got=got, remedy=_MAKE_ONE
        )
    along = (direction_matrix(sform) * direction_matrix(qform)).sum(axis=0)
    if (along < _SAME_AXIS).any():
        got = f"sform {axis_letters(sform)}, qform {axis_letters(qform)}"
        expected = "the same letters: towards (R)ight or (L)eft, (A)nterior or (P)osterior, (S)uperior or (I)nferior"
        raise InputError.one(
            "sform and qform turn the image differently",
            where=str(path),
            got=got,
            expected=expected,
            remedy=_MAKE_ONE,
        )


def axis_letters(geometry: Geometry) -> str:
    """Where the axes of a 3D grid point to, nearly: `RAS`."""
    return "".join(nib.aff2axcodes(nifti_affine(geometry)))


def nifti_affine(geometry: Geometry) -> np.ndarray:
    """The 4 x 4 matrix from voxels to NIfTI's axes (right, anterior, superior) in mm; a 2D grid is one slice."""
    solid = geometry if geometry.dimensions == 3 else _solid(geometry)
    affine = np.eye(4)
    affine[:3, :3] = _TO_LPS @ direction_matrix(solid) * np.asarray(solid.spacing)
    affine[:3, 3] = _TO_LPS @ np.asarray(solid.origin)
    return affine


def _solid(flat: Geometry) -> Geometry:
    """A 2D grid as one slice, x first."""
    direction = np.eye(3)
    direction[:2, :2] = direction_matrix(flat)[::-1, ::-1]
    shape, spacing = (*flat.shape[::-1], 1), (*flat.spacing[::-1], 1.0)
    return Geometry(shape, spacing, (*flat.origin[::-1], 0.0), tuple(direction.ravel().tolist()))


def _by_spacing(path: Path, header: Any, shape: tuple[int, ...]) -> Geometry:
    spacing = _pixdim(header, shape) * millimetres(header)
    fault = _spacing_fault(spacing)
    if fault:
        remedy = "Export it again, or write the spacing into pixdim"
        raise InputError.one("the image's spacing cannot be read", where=str(path), got=fault, remedy=remedy)
    return Geometry(shape, tuple(spacing.tolist()), (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))

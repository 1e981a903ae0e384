"""A NIfTI's place in space: which transform counts, what is told of the others, and that a mask has its image's."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_header, read_image, read_label, write_label

SPACING = (0.8, 1.1, 2.5)
sitk: Any = SimpleITK


def _affine(
    spacing: tuple[float, ...] = SPACING, turn: float = 0.2, at: tuple[float, ...] = (10, 20, 30)
) -> np.ndarray:
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, :3] *= spacing
    affine[:3, 3] = at
    return affine


SHEARED = _affine() + np.outer([0.3, 0, 0, 0], [0, 1, 0, 0])


def _header(
    shape: tuple[int, ...] = (5, 6, 7),
    *,
    sform: np.ndarray | None = None,
    qform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 1),
    **fields: Any,
) -> Any:
    header: Any = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header["vox_offset"], header["magic"], header["xyzt_units"] = 352, b"n+1", 2
    if qform is not None:
        header.set_qform(qform, codes[1])
    if sform is not None:
        header.set_sform(sform, codes[0])
    for name, value in fields.items():
        if name == "spacing":
            header["pixdim"][1 : 1 + len(value)] = value
        else:
            header[name] = value
    return header


def _save(path: Path, header: Any) -> Path:
    content = header.binaryblock + b"\0" * 4 + b"\1\0" * int(np.prod(header.get_data_shape()))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _remarks(path: Path) -> str:
    return "; ".join(f"{remark.what} ({remark.got})" for remark in read_header(path).remarks)


def test_the_sform_gives_the_spacing_where_it_alone_is_coded(tmp_path: Path) -> None:
    path = _save(tmp_path / "scan.nii", _header(sform=_affine(), spacing=(1, 1, 1)))
    assert read_header(path).geometry.spacing == pytest.approx(SPACING)
    assert "pixdim 1 x 1 x 1, sform 0.8 x 1.1 x 2.5 mm" in _remarks(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6)])
@pytest.mark.parametrize(
    "forms",
    [
        {"sform": _affine(), "qform": _affine()},
        {"sform": _affine(), "spacing": (1, 1, 1)},
        {"qform": _affine()},
        {"spacing": SPACING},
        {"sform": _affine(turn=0.5, at=(1, 2, 3)), "qform": _affine(), "codes": (4, 1)},
        {"sform": SHEARED, "qform": _affine()},
        {"qform": _affine((800, 1100, 2500)), "xyzt_units": 3},
    ],
)
def test_a_mask_lies_where_its_image_does_for_every_reader(
    tmp_path: Path, suffix: str, shape: tuple[int, ...], forms: dict[str, Any]
) -> None:
    path, mask = _save(tmp_path / f"scan{suffix}", _header(shape, **forms)), tmp_path / f"mask{suffix}"
    image = read_image(path)
    write_label(mask, np.zeros(image.geometry.shape, np.uint8), image.geometry, like=path)
    first, second = nibabel.load(path), nibabel.load(mask)
    np.testing.assert_allclose(second.affine, first.affine, atol=1e-4)
    one, other = sitk.ReadImage(str(path)), sitk.ReadImage(str(mask))
    if "qform" in forms or "sform" not in forms:
        np.testing.assert_allclose(other.GetSpacing(), one.GetSpacing(), atol=1e-5)
    else:  # ITK takes the spacing of pixdim, which the mask corrects
        assert other.GetSpacing() == pytest.approx(SPACING[: len(shape)])
    np.testing.assert_allclose(other.GetOrigin(), one.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(other.GetDirection(), one.GetDirection(), atol=1e-5)
    codes = int(second.header["sform_code"]), int(second.header["qform_code"])
    assert (0 in codes) == ("sform" not in forms and "qform" not in forms)


@pytest.mark.parametrize(
    ("forms", "words"),
    [
        ({"sform": _affine(turn=0.5), "qform": _affine()}, "voxels apart"),
        ({"sform": SHEARED, "qform": _affine()}, "x and y at 74.22°"),
        ({"spacing": SPACING}, "orientation is unknown"),
        ({"sform": _affine(), "qform": _affine(), "quatern_b": 5}, "qform cannot be used"),
        ({"qform": _affine((0.0008, 0.0011, 0.0025)), "xyzt_units": 1}, "metres"),
    ],
)
def test_what_a_header_says_against_itself_is_told(tmp_path: Path, forms: dict[str, Any], words: str) -> None:
    path = _save(tmp_path / "scan.nii", _header(**forms))
    assert words in _remarks(path)
    assert read_header(path).geometry.spacing == pytest.approx(SPACING)


@pytest.mark.parametrize(
    ("forms", "words"),
    [
        ({"sform": _affine(), "qform": _affine((1, 1, 1))}, "sform 0.8 x 1.1 x 2.5 mm, qform 1 x 1 x 1 mm"),
        ({"sform": _affine(), "qform": _affine() @ np.diag([-1, 1, 1, 1])}, "sform RAS, qform LAS"),
        ({"sform": SHEARED}, "right angles"),
        ({"sform": np.diag([0, 0, 0, 1])}, "spacing of 0 x 0 x 0"),
        ({"sform": np.full((4, 4), np.nan)}, "not numbers"),
        ({"spacing": (0, 1, 1)}, "spacing of 0 x 1 x 1"),
        ({"spacing": (-1, 1, 1)}, "spacing of -1 x 1 x 1"),
        ({"spacing": (np.inf, 1, 1)}, "spacing of inf"),
        ({"dim": (0, 5, 6, 7, 1, 1, 1, 1)}, "names 0 axes"),
        ({"dim": (9, 5, 6, 7, 1, 1, 1, 1)}, "names 9 axes"),
        ({"dim": (3, 5, -6, 7, 1, 1, 1, 1)}, "5 x -6 x 7"),
        ({"shape": (5, 6, 7, 2, 3)}, "5 axes of 5 x 6 x 7 x 2 x 3 voxels"),
        ({"bitpix": 8}, "int16 in 8 bits"),
        ({"datatype": 1536}, "128-bit"),
        ({"scl_slope": np.inf}, "scaled by inf"),
        ({"vox_offset": 4}, "byte 4"),
        ({"magic": b"ni1"}, ".hdr and .img"),
        ({"magic": b""}, "Analyze"),
    ],
)
def test_headers_that_leave_a_choice_or_make_no_sense_are_refused(
    tmp_path: Path, forms: dict[str, Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(_header(**forms).binaryblock + b"\0" * 5000)
    for read in (read_header, read_image):
        with pytest.raises(InputError) as caught:
            read(path)  # type: ignore[operator]
        assert words in str(caught.value)
        assert path.name in str(caught.value)
        assert caught.value.problems[0].remedy
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"scl_slope": 0, "scl_inter": 5}, 1),
        ({"scl_slope": np.nan}, 1),
        ({"scl_slope": 2, "scl_inter": 1}, 3),
        ({"vox_offset": 0}, 1),
        ({"shape": (5, 6, 7, 1, 1)}, 1),
    ],
)
def test_values_are_scaled_where_the_header_says_so(tmp_path: Path, change: dict[str, Any], factor: float) -> None:
    image = read_image(_save(tmp_path / "scan.nii", _header(**change)))
    assert image.data.shape == (1, 5, 6, 7)
    assert (image.data == factor).all()


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_and_both_byte_orders_are_read(tmp_path: Path, kind: type) -> None:
    data = np.random.default_rng(0).integers(-500, 500, (4, 5, 6)).astype(np.int16)
    for order in "<>":
        header: Any = kind.header_class(endianness=order)  # type: ignore[attr-defined]
        header.set_data_dtype(np.dtype(f"{order}i2"))
        nibabel.save(kind(data.astype(f"{order}i2"), _affine(), header), tmp_path / "scan.nii.gz")
        image = read_image(tmp_path / "scan.nii.gz")
        np.testing.assert_array_equal(image.data[0], data)
        assert image.geometry.spacing == pytest.approx(SPACING)
        write_label(tmp_path / "mask.nii", data != 0, image.geometry, like=tmp_path / "scan.nii.gz")
        assert read_label(tmp_path / "mask.nii")[0].sum() == (data != 0).sum()


FIELDS = ("dim", "pixdim", "qform_code", "sform_code", "xyzt_units", "datatype", "bitpix", "vox_offset", "scl_slope")
FIELDS += ("quatern_c", "qoffset_x", "srow_x", "srow_z", "magic", "sizeof_hdr", "intent_code")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=some.sampled_from(FIELDS), place=some.integers(0, 31), content=some.binary(min_size=1, max_size=8))
def test_any_bytes_in_a_header_are_read_or_refused_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], field: str, place: int, content: bytes
) -> None:
    header = _header(sform=_affine(), qform=_affine())
    raw = bytearray(header.binaryblock + b"\0" * 424)
    start = header.template_dtype.fields[field][1] + place % header[field].nbytes
    raw[start : start + len(content)] = content
    path = tmp_path / "scan.nii"
    path.write_bytes(raw)
    readers: tuple[Callable[[Path], object], ...] = (read_header, read_image, read_label)
    for read in readers:
        with contextlib.suppress(InputError):
            read(path)
    assert capfd.readouterr() == ("", "")

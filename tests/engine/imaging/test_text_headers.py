"""NRRD and MetaImage headers mean what they say, or are refused in our words, all problems at once and quietly."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import geometry_differences, read_header, read_image, read_label
from wardround.engine.imaging.image import Geometry, Space

sitk: Any = SimpleITK
VALUES = np.arange(5 * 6 * 7, dtype="<i2").reshape(7, 6, 5)
RAW = VALUES.tobytes()
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "0.6 0.8 0 -0.8 0.6 0 0 0 1",
    "Offset": "10 20 30",
    "ElementSpacing": "0.8 1.1 2.5",
    "DimSize": "5 6 7",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 6 7",
    "space directions": "(0.48,0.64,0) (-0.88,0.66,0) (0,0,2.5)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(10,20,30)",
}
Change = Mapping[str, str | None]


def _meta(path: Path, change: Change, content: bytes = RAW) -> Path:
    fields = {name: value for name, value in ({**META, **change}).items() if value is not None}
    fields["ElementDataFile"] = fields.pop("ElementDataFile", "LOCAL")
    path.write_bytes("".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + content)
    return path


def _nrrd(path: Path, change: Change, content: bytes = RAW) -> Path:
    fields = {name: value for name, value in ({**NRRD, **change}).items() if value is not None}
    path.write_bytes(
        ("NRRD0004\n# a comment\n" + "".join(f"{k}: {v}\n" for k, v in fields.items()) + "\n").encode() + content
    )
    return path


WRITERS: dict[str, Callable[[Path, Change, bytes], Path]] = {".mha": _meta, ".nrrd": _nrrd}


def _itk(path: Path) -> tuple[np.ndarray, Geometry]:
    """What ITK reads, in its order of axes."""
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return array, geometry


def _refusals(path: Path, read: Callable[[Path], object] = read_header) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    for problem in caught.value.problems:
        assert problem.where.startswith(str(path))
        assert problem.got
        assert problem.remedy
    return str(caught.value)


def _remarks(path: Path) -> str:
    return "; ".join(f"{remark.what} ({remark.got})" for remark in read_header(path).remarks)


KINDS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
META_NAMES = dict(
    zip(KINDS, ("CHAR", "UCHAR", "SHORT", "USHORT", "INT", "UINT", "LONG_LONG", "ULONG_LONG"), strict=False)
)
META_NAMES |= {"f4": "FLOAT", "f8": "DOUBLE"}
NRRD_NAMES = dict(zip(KINDS, ("int8", "uchar", "short", "uint16", "int", "uint32_t", "int64", "uint64"), strict=False))
NRRD_NAMES |= {"f4": "float", "f8": "double"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", WRITERS)
def test_sound_files_are_read_as_itk_reads_them(
    tmp_path: Path, suffix: str, kind: str, order: str, packed: bool
) -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 100, (7, 6, 5)) if kind[0] == "u" else rng.integers(-100, 100, (7, 6, 5))
    raw = stored.astype(f"{order}{kind}").tobytes()
    path = tmp_path / f"scan{suffix}"
    if suffix == ".mha":
        content = zlib.compress(raw) if packed else raw
        change = {"ElementType": f"MET_{META_NAMES[kind]}", "BinaryDataByteOrderMSB": str(order == ">")}
        change |= {"CompressedData": "True", "CompressedDataSize": str(len(content))} if packed else {}
    else:
        content = gzip.compress(raw) if packed else raw
        change = {"type": NRRD_NAMES[kind], "endian": "big" if order == ">" else "little"}
        change |= {"encoding": "gzip"} if packed else {}
    WRITERS[suffix](path, change, content)
    array, geometry = _itk(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0].transpose(2, 1, 0), array)
    assert geometry_differences(image.geometry, geometry) == ()
    mask, _ = read_label(path)
    np.testing.assert_array_equal(mask.transpose(2, 1, 0), array)
    assert mask.dtype.isnative
    header = read_header(path)
    assert (header.pixel_type, header.channels, header.remarks) == (np.dtype(kind).name, 1, ())


_SIDES = some.lists(some.integers(1, 6), min_size=2, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sides=_SIDES,
    channels=some.integers(1, 4),
    spacing=some.tuples(*[some.floats(0.05, 20)] * 3),
    origin=some.tuples(*[some.floats(-500, 500)] * 3),
    angles=some.tuples(*[some.floats(-3, 3)] * 3),
    packed=some.booleans(),
    mirrored=some.booleans(),
)
def test_what_itk_writes_is_read_as_itk_reads_it(
    tmp_path: Path,
    sides: list[int],
    channels: int,
    spacing: tuple[float, ...],
    origin: tuple[float, ...],
    angles: tuple[float, ...],
    packed: bool,
    mirrored: bool,
) -> None:
    shape = (*sides, channels) if channels > 1 else tuple(sides)
    values = np.random.default_rng(1).integers(0, 200, shape).astype(np.uint8)
    image = sitk.GetImageFromArray(values, isVector=channels > 1)
    axes = len(sides)
    image.SetSpacing(spacing[:axes])
    image.SetOrigin(origin[:axes])
    turn = sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()
    direction = np.asarray(turn).reshape(3, 3) if axes == 3 else np.array([[0.6, -0.8], [0.8, 0.6]])
    image.SetDirection((direction * (-1 if mirrored and axes == 3 else 1)).ravel().tolist())
    for suffix in WRITERS:
        path = tmp_path / f"scan{suffix}"
        sitk.WriteImage(image, str(path), useCompression=packed)
        array, geometry = _itk(path)
        ours = read_image(path)
        seen = ours.data.transpose(0, 3, 2, 1) if axes == 3 else ours.data
        np.testing.assert_array_equal(seen if channels > 1 else seen[0], array)
        if axes == 3:
            assert geometry_differences(ours.geometry, geometry) == ()
        else:
            assert ours.geometry.spacing == pytest.approx(geometry.spacing[::-1])
            assert ours.geometry.origin == pytest.approx(geometry.origin[::-1])
            assert ours.geometry.direction == pytest.approx(geometry.direction[::-1])
        assert read_header(path).remarks == ()


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS", "left-anterior-superior", "LPS"])
def test_a_space_is_turned_to_the_same_place_as_by_itk(tmp_path: Path, space: str) -> None:
    path = _nrrd(tmp_path / "scan.nrrd", {"space": space})
    assert geometry_differences(read_header(path).geometry, _itk(path)[1]) == ()


@pytest.mark.parametrize(
    ("change", "sizes"),
    [
        ({"kinds": "vector domain domain domain", "space directions": "none (1,0,0) (0,1,0) (0,0,1)"}, "3 5 6 7"),
        ({"kinds": "domain domain domain list", "space directions": "(1,0,0) (0,1,0) (0,0,1) none"}, "5 6 7 3"),
        ({"kinds": "domain list domain domain", "space directions": "(1,0,0) none (0,1,0) (0,0,1)"}, "5 3 6 7"),
    ],
)
def test_the_axis_of_channels_may_stand_anywhere(tmp_path: Path, change: dict[str, str], sizes: str) -> None:
    lengths = [int(size) for size in sizes.split()]
    values = np.arange(5 * 6 * 7 * 3, dtype="<i2").reshape(lengths[::-1])
    path = _nrrd(tmp_path / "scan.nrrd", {"dimension": "4", "sizes": sizes, **change}, values.tobytes())
    image = read_image(path)
    axis = lengths.index(3)
    np.testing.assert_array_equal(image.data, np.moveaxis(values.T, axis, 0))
    assert read_header(path).channels == 3
    assert image.data.shape == (3, 5, 6, 7)


def test_a_fourth_axis_of_a_metaimage_has_channels(tmp_path: Path) -> None:
    matrix = "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"
    change = {"NDims": "4", "DimSize": "5 6 7 2", "ElementSpacing": "1 2 3 1", "Offset": "0 0 0 0"}
    path = _meta(tmp_path / "scan.mha", {**change, "TransformMatrix": matrix}, RAW + RAW)
    image = read_image(path)
    assert image.data.shape == (2, 5, 6, 7)
    assert image.geometry.spacing == (1, 2, 3)
    np.testing.assert_array_equal(image.data[1].transpose(2, 1, 0), VALUES)


REMARKED: list[tuple[str, dict[str, str | None], str]] = [
    (".mha", {"TransformMatrix": None}, "orientation is unknown"),
    (".mha", {"TransformMatrix": None, "Offset": None}, "orientation is unknown"),
    (".mha", {"Offset": None}, "no place of the first voxel"),
    (".mha", {"BinaryDataByteOrderMSB": None}, "no order of bytes"),
    (".mha", {"CenterOfRotation": "1 2 3"}, "CenterOfRotation is passed over"),
    (".mha", {"DistanceUnits": "um", "ElementSpacing": "800 1100 2500"}, "micrometres"),
    (".mha", {"DistanceUnits": "cm", "ElementSpacing": "0.08 0.11 0.25"}, "centimetres"),
    (".mha", {"TransformMatrix": "0.6004 0.8 0 -0.8 0.6 0 0 0 1", "DimSize": "1 1 210"}, ""),
    (".nrrd", {"space directions": None, "spacings": "0.8 1.1 2.5"}, "orientation is unknown"),
    (".nrrd", {"space": None, "space dimension": "3"}, "orientation is unknown"),
    (".nrrd", {"space": "scanner-xyz"}, "orientation is unknown"),
    (".nrrd", {"space origin": None}, "no place of the first voxel"),
    (".nrrd", {"old min": "0", "old max": "1"}, "mapped back (old min 0, old max 1)"),
    (
        ".nrrd",
        {"space units": '"m" "m" "m"', "space directions": "(4.8e-4,6.4e-4,0) (-8.8e-4,6.6e-4,0) (0,0,2.5e-3)"},
        "metres, which become millimetres (a factor of 1000)",
    ),
    (".nrrd", {"space directions": None, "spacings": ".08 .11 .25", "units": '"cm" "cm" "cm"'}, "centimetres"),
]


@pytest.mark.parametrize(("suffix", "change", "words"), REMARKED)
def test_what_is_odd_but_clear_is_told(tmp_path: Path, suffix: str, change: Change, words: str) -> None:
    path = WRITERS[suffix](tmp_path / f"scan{suffix}", change, RAW)
    assert words in _remarks(path)
    assert read_header(path).space is (Space.SIZES if "unknown" in _remarks(path) else Space.BODY)
    assert read_header(path).geometry.spacing == pytest.approx((0.8, 1.1, 2.5), rel=1e-3)


REFUSED: list[tuple[str, dict[str, str | None], str, str]] = [
    (".mha", {"NDims": None}, "NDims", "no such entry"),
    (".mha", {"NDims": "9"}, "NDims", "got 9; expected 2 or 3 axes"),
    (".mha", {"NDims": "1"}, "NDims", "got 1;"),
    (".mha", {"NDims": "three"}, "NDims", "three"),
    (".mha", {"DimSize": "5 6"}, "DimSize", "3 numbers, as NDims says"),
    (".mha", {"DimSize": "5 -6 7"}, "DimSize", "5 -6 7"),
    (".mha", {"DimSize": "5 6.0 7"}, "DimSize", "whole numbers"),
    (".mha", {"DimSize": ""}, "DimSize", "nothing"),
    (".mha", {"DimSize": None}, "DimSize", "no such entry"),
    (".mha", {"DimSize": "5 6 8"}, "DimSize", "a file cut short: 420 bytes of voxels; expected 480 bytes"),
    (".mha", {"DimSize": "5 6 6"}, "DimSize", "60 too many"),
    (".mha", {"ElementType": "MET_USHORTS"}, "ElementType", "MET_USHORTS"),
    (".mha", {"ElementType": None}, "ElementType", "no such entry"),
    (".mha", {"ElementType": "MET_FLOAT"}, "DimSize", "840 bytes, for 5 x 6 x 7 values of type float32"),
    (".mha", {"ElementSpacing": "1 1"}, "ElementSpacing", "got 1 1; expected 3 numbers above 0"),
    (".mha", {"ElementSpacing": "1 1 0"}, "ElementSpacing", "1 1 0"),
    (".mha", {"ElementSpacing": "-0.8 1.1 2.5"}, "ElementSpacing", "-0.8"),
    (".mha", {"ElementSpacing": "nan 1 1"}, "ElementSpacing", "nan"),
    (".mha", {"ElementSpacing": "0,8 1,1 2,5"}, "ElementSpacing", "0,8"),
    (".mha", {"ElementSpacing": "1_0 1 1"}, "ElementSpacing", "1_0"),
    (".mha", {"ElementSpacing": None}, "ElementSpacing", "no such entry"),
    (".mha", {"ElementSpacing": None, "ElementSpacings": "1 1 1"}, "ElementSpacings", "Did you mean ElementSpacing?"),
    (".mha", {"Offset": "1 2"}, "Offset", "3 numbers"),
    (".mha", {"Offset": "1 2 inf"}, "Offset", "inf"),
    (".mha", {"Origin": "1 2 3"}, "Offset", "as Offset and as Origin"),
    (".mha", {"TransformMatrix": "1 0 0 0 1 0"}, "TransformMatrix", "9 numbers"),
    (".mha", {"TransformMatrix": "1 0 0 0.3 0.954 0 0 0 1"}, "TransformMatrix", "x and y at 72.54°"),
    (".mha", {"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "TransformMatrix", "lengths 2, 1, 1"),
    (".mha", {"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "TransformMatrix", "lengths 0, 0, 0"),
    (".mha", {"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "TransformMatrix", "right angles"),
    (".mha", {"DistanceUnits": "furlong"}, "DistanceUnits", "furlong; expected mm"),
    (".mha", {"BinaryData": "False"}, "BinaryData", "voxels as text"),
    (".mha", {"BinaryDataByteOrderMSB": "perhaps"}, "BinaryDataByteOrderMSB", "True or False"),
    (".mha", {"CompressedData": "True"}, "CompressedData", "as many bytes as they take unpacked, 420"),
    (".mha", {"CompressedData": "True", "CompressedDataSize": "9"}, "CompressedDataSize", "420, the bytes behind"),
    (".mha", {"CompressedData": "yes"}, "CompressedData", "True or False"),
    (".mha", {"HeaderSize": "128"}, "HeaderSize", "128"),
    (".mha", {"ElementToIntensityFunctionSlope": "2"}, "ElementToIntensityFunctionSlope", "Apply it"),
    (".mha", {"ElementNumberOfChannels": "0"}, "ElementNumberOfChannels", "above 0"),
    (".mha", {"ElementNumberOfChannels": "3"}, "DimSize", "3 x 5 x 6 x 7 values"),
    (".mha", {"ObjectType": "Mesh"}, "ObjectType", "Mesh"),
    (".mha", {"ElementDataFile": "scan.raw"}, "", "voxels in another file"),
    (".mha", {"ElementDataFile": "LIST"}, "", "voxels in another file"),
    (".nrrd", {"dimension": None}, "dimension", "no such entry"),
    (".nrrd", {"dimension": "9"}, "dimension", "got 9"),
    (".nrrd", {"sizes": "5 6"}, "sizes", "3 numbers, as dimension says"),
    (".nrrd", {"sizes": "5 6 8"}, "sizes", "a file cut short: 420 bytes of voxels; expected 480 bytes"),
    (".nrrd", {"sizes": "5 6 6"}, "sizes", "60 too many"),
    (".nrrd", {"type": "block"}, "type", "block"),
    (".nrrd", {"type": None}, "type", "no such entry"),
    (".nrrd", {"endian": None}, "endian", "no such entry"),
    (".nrrd", {"endian": "middle"}, "endian", "little or big"),
    (".nrrd", {"encoding": "ascii"}, "encoding", "Save it with encoding raw or gzip"),
    (".nrrd", {"encoding": "bzip2"}, "encoding", "raw or gzip"),
    (".nrrd", {"encoding": "gzip"}, "encoding", "as many bytes as they take unpacked, 420"),
    (".nrrd", {"space directions": "(1,0,0) (0,1,0)"}, "space directions", "3 vectors"),
    (".nrrd", {"space directions": "(1,0) (0,1) (1,1)"}, "space directions", "vectors of 3 numbers"),
    (".nrrd", {"space directions": "(1,0,0) (0.3,1,0) (0,0,1)"}, "space directions", "x and y at 73.3°"),
    (".nrrd", {"space directions": "(1,0,0) (0,0,0) (0,0,1)"}, "space directions", "1 x 0 x 1"),
    (".nrrd", {"space directions": "(1,0,0) (0,nan,0) (0,0,1)"}, "space directions", "nan"),
    (".nrrd", {"space directions": "(1,0,0) none none"}, "space directions", "2 or 3 axes"),
    (".nrrd", {"space directions": None}, "space directions", "neither space directions nor spacings"),
    (".nrrd", {"space directions": None, "spacings": "nan nan nan"}, "spacings", "nan"),
    (".nrrd", {"space directions": None, "spacings": "-1 1 1"}, "spacings", "-1"),
    (".nrrd", {"spacings": "1 1 1"}, "spacings", "1 x 1 x 1, with space directions of lengths 0.8 x 1.1 x 2.5"),
    (".nrrd", {"space": "3D-left-handed"}, "space", "left-posterior-superior"),
    (".nrrd", {"space": "left-posterior-superior-time"}, "space", "right-anterior-superior"),
    (".nrrd", {"space": None}, "space", "no such field"),
    (".nrrd", {"space units": '"m" "m"'}, "space units", "3 units"),
    (".nrrd", {"space units": '"ell" "ell" "ell"'}, "space units", "got ell; expected mm"),
    (".nrrd", {"space origin": "(1,2)"}, "space origin", "3 numbers"),
    (".nrrd", {"space origin": "(1,2,nan)"}, "space origin", "nan"),
    (".nrrd", {"axis mins": "0 0 0"}, "axis mins", "space origin"),
    (".nrrd", {"byte skip": "12"}, "byte skip", "12"),
    (".nrrd", {"kinds": "complex domain domain"}, "kinds", "magnitude"),
    (".nrrd", {"kinds": "RGB-color domain domain"}, "kinds", "an axis of 5"),
    (".nrrd", {"colour": "blue"}, "colour", "unknown field"),
    (".nrrd", {"data file": "scan.raw"}, "", "voxels in another file (scan.raw)"),
]


@pytest.mark.parametrize(("suffix", "change", "entry", "words"), REFUSED)
def test_headers_that_make_no_sense_are_refused_by_entry(
    tmp_path: Path, suffix: str, change: Change, entry: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = WRITERS[suffix](tmp_path / f"scan{suffix}", change, RAW)
    for read in (read_header, read_image, read_label):
        message = _refusals(path, read)  # type: ignore[arg-type]
        assert words in message
        assert f"{path}, {entry}: " in message if entry else str(path) in message
    assert capfd.readouterr() == ("", "")


def test_every_problem_of_a_header_is_told_at_once(tmp_path: Path) -> None:
    wrong = {"DimSize": "5 6", "ElementSpacing": "1 1 0", "ElementType": "MET_BIT", "DistanceUnits": "ell"}
    message = _refusals(_meta(tmp_path / "scan.mha", {**wrong, "Offset": "a b c", "CompressedData": "no"}))
    for entry in (*wrong, "Offset", "CompressedData"):
        assert f"scan.mha, {entry}: " in message
    odd = {"sizes": "5 6", "type": "half", "endian": "none", "encoding": "hex", "byte skip": "2"}
    message = _refusals(_nrrd(tmp_path / "scan.nrrd", odd))
    for entry in odd:
        assert f"scan.nrrd, {entry}: " in message


@pytest.mark.parametrize(
    ("suffix", "change", "content", "words"),
    [
        (".mha", {}, zlib.compress(RAW), "expected CompressedData = True"),
        (".mha", {"CompressedData": "True"}, b"\0" * 300, "not packed"),
        (".mha", {"CompressedData": "True"}, zlib.compress(RAW)[:-40], "too early"),
        (".mha", {"CompressedData": "True"}, zlib.compress(RAW[:-2]), "cut short: 418 bytes"),
        (".mha", {"CompressedData": "True"}, zlib.compress(RAW + b"\0"), "more than 420 bytes"),
        (".mha", {"CompressedData": "True", "DimSize": "5 6 70000000"}, zlib.compress(RAW), "cannot unpack"),
        (".mha", {}, b"ElementSpacing = 1 1 1\n" + RAW, "text behind the header's last entry: 'ElementSpacing"),
        (".mha", {"DimSize": "99999999 99999999 99999999"}, RAW, "cut short"),
        (".nrrd", {}, gzip.compress(RAW), "expected encoding: gzip"),
        (".nrrd", {"encoding": "gzip"}, zlib.compress(RAW), "not packed"),
        (".nrrd", {"encoding": "gzip"}, gzip.compress(RAW)[:-30], "too early"),
        (".nrrd", {"encoding": "gzip"}, gzip.compress(RAW[:-2]), "cut short: 418 bytes"),
        (".nrrd", {"encoding": "gzip"}, gzip.compress(RAW) + b"junk", "damaged"),
    ],
)
def test_voxels_that_belie_their_header_are_refused(
    tmp_path: Path, suffix: str, change: Change, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = WRITERS[suffix](tmp_path / f"scan{suffix}", change, content)
    assert words in _refusals(path, read_image)
    assert capfd.readouterr() == ("", "")


def test_what_stands_twice_is_refused(tmp_path: Path) -> None:
    path = _meta(tmp_path / "scan.mha", {})
    path.write_bytes(b"NDims = 2\n" + path.read_bytes())
    assert "'2' and '3'" in _refusals(path)


@pytest.mark.parametrize(
    "change",
    [
        {"TransformMatrix": None, "Rotation": META["TransformMatrix"]},
        {"TransformMatrix": None, "Orientation": META["TransformMatrix"]},
        {"Offset": None, "Origin": "10 20 30"},
        {"Offset": None, "Position": "10 20 30"},
        {"Position": "10 20 30"},
        {"ElementSpacing": None, "ElementSize": "0.8 1.1 2.5"},
        {"ElementSize": "0.7 1 2"},
        {"ElementType": "MET_SHORT_ARRAY"},
        {"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"},
        {"ElementType": "MET_INT", "DimSize": "5 3 7"},
        {"ElementType": "MET_LONG", "DimSize": "5 3 7"},
        {"HeaderSize": "-1"},
        {"AcquisitionDate": "none", "0008|0060": "MR", "Comment": ""},
    ],
)
def test_other_names_of_entries_mean_what_they_mean_to_itk(tmp_path: Path, change: Change) -> None:
    path = _meta(tmp_path / "scan.mha", change)
    array, geometry = _itk(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0].transpose(2, 1, 0), array)
    assert geometry_differences(image.geometry, geometry) == ()


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    for suffix, write in WRITERS.items():
        path = write(tmp_path / f"scan{suffix}", {}, b"")
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + RAW)
        np.testing.assert_array_equal(read_image(path).data[0].transpose(2, 1, 0), VALUES)


def test_three_decimals_of_a_direction_are_right_angles(tmp_path: Path) -> None:
    change = {"TransformMatrix": "0.602 0.799 0 -0.799 0.601 0 0 0 1", "DimSize": "300 300 1"}
    path = _meta(tmp_path / "scan.mha", change, b"\0\0" * 90000)
    assert "but for few decimals" in _remarks(path)
    assert read_header(path).geometry.spacing == pytest.approx((0.8, 1.1, 2.5))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=some.sampled_from(sorted(WRITERS)),
    entry=some.integers(0, 10),
    value=some.one_of(some.text(max_size=30), some.sampled_from(["0", "-1", "nan", "1e400", "1 1 1", "(0,0,0)", '"'])),
)
def test_any_value_in_a_header_is_read_or_refused_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, entry: int, value: str
) -> None:
    names = list(META if suffix == ".mha" else NRRD)
    path = WRITERS[suffix](tmp_path / f"scan{suffix}", {names[entry % len(names)]: value}, RAW)
    readers: tuple[Callable[[Path], object], ...] = (read_header, read_image, read_label)
    for read in readers:
        with contextlib.suppress(InputError):
            read(path)
    assert capfd.readouterr() == ("", "")

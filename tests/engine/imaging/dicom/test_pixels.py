"""Pixels of every packing, sign and colour are those that were stored, or what they mean; others are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from tests.support import dicoms
from tests.support.dicoms import CT, SECONDARY, dataset, repacked, save
from wardround.engine.basics.dicom import Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_header, read_image, read_label
from wardround.engine.imaging.image import Space
from wardround.engine.imaging.itk import sitk

GREY = np.random.default_rng(0).integers(0, 4000, (24, 20)).astype(np.uint16)
SIGNED = (GREY.astype(np.int32) - 1000).astype(np.int16)
COLOUR = np.random.default_rng(1).integers(0, 255, (24, 20, 3)).astype(np.uint8)
JPEG = "1.2.840.10008.1.2.4."

PACKERS: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
    "JPEG lossless": (f"{JPEG}70", lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=16)),
    "JPEG-LS": (f"{JPEG}80", imagecodecs.jpegls_encode),
    "JPEG 2000": (f"{JPEG}90", lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True)),
}


@pytest.mark.parametrize("name", PACKERS)
def test_packed_pixels_are_those_that_were_packed(tmp_path: Path, name: str) -> None:
    syntax, pack = PACKERS[name]
    file = save(tmp_path / "a.dcm", repacked(dataset(GREY), syntax, pack(GREY)))
    np.testing.assert_array_equal(read_image(file).data[0], GREY)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0], GREY)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_plain_pixels_of_either_order_of_bytes_are_read(tmp_path: Path, syntax: Any) -> None:
    made = dataset(SIGNED)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = SIGNED.astype(SIGNED.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    made["PixelData"].VR = "OW"
    np.testing.assert_array_equal(read_image(save(tmp_path / "a", made)).data[0], SIGNED)


def test_run_lengths_are_read(tmp_path: Path) -> None:
    made = dataset(SIGNED)
    made.compress(RLELossless, SIGNED)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.dcm", made)).data[0], SIGNED)


def test_bits_beyond_those_that_count_are_ignored(tmp_path: Path) -> None:
    twelve = (SIGNED % 4096).astype(np.uint16) | 0xA000  # an overlay lies in the upper bits
    made = dataset(twelve, BitsStored=12, HighBit=11, PixelRepresentation=1)
    expected = (SIGNED % 4096).astype(np.int16)
    expected = np.where(expected >= 2048, expected - 4096, expected)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.dcm", made)).data[0], expected)


@pytest.mark.parametrize(("modality", "is_turned"), [("DX", True), ("CR", True), ("CT", False), ("PT", False)])
def test_an_image_whose_zero_is_white_is_turned_round_unless_its_values_are_measured(
    tmp_path: Path, modality: str, is_turned: bool
) -> None:
    made = dataset(GREY, dicoms.DX, modality, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    file = save(tmp_path / "a.dcm", made)
    np.testing.assert_array_equal(read_image(file).data[0], 4095 - GREY if is_turned else GREY)
    (remark,) = read_header(file).remarks
    assert "MONOCHROME1" in remark.what
    assert ("turned round" in remark.what) == is_turned


def test_signed_values_turned_round_stay_signed(tmp_path: Path) -> None:
    made = dataset(SIGNED, dicoms.DX, "DX", PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=1)
    image = read_image(save(tmp_path / "a.dcm", made)).data[0]
    np.testing.assert_array_equal(image, (-1 - SIGNED.astype(np.int64)) * 2 + 1)


def test_a_table_tells_what_values_mean(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [16, 2, 16], "US"
    table.LUTData = (np.arange(16, dtype=np.uint16) ** 2).tobytes()
    stored = np.arange(24, dtype=np.uint16).reshape(4, 6)
    made = dataset(stored, dicoms.DX, "DX", ModalityLUTSequence=[table])
    image = read_image(save(tmp_path / "a.dcm", made)).data[0]
    np.testing.assert_array_equal(image, (np.clip(stored.astype(int) - 2, 0, 15) ** 2))


def test_colours_are_three_channels(tmp_path: Path) -> None:
    made = dataset(
        COLOUR, dicoms.SECONDARY, "OT", SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
    )
    file = save(tmp_path / "a.dcm", made)
    assert read_header(file).channels == 3
    assert read_header(file).space is Space.NOTHING
    np.testing.assert_array_equal(read_image(file).data, COLOUR.transpose(2, 0, 1))
    made.PlanarConfiguration, made.PixelData = 1, np.ascontiguousarray(COLOUR.transpose(2, 0, 1)).tobytes()
    np.testing.assert_array_equal(read_image(save(tmp_path / "b.dcm", made)).data, COLOUR.transpose(2, 0, 1))


def test_luminance_and_chrominance_become_colours(tmp_path: Path) -> None:
    from pydicom.pixels import convert_color_space

    made = dataset(
        convert_color_space(COLOUR, "RGB", "YBR_FULL"),
        dicoms.SECONDARY,
        "US",
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=0,
    )
    image = read_image(save(tmp_path / "a.dcm", made)).data
    assert np.abs(image - COLOUR.transpose(2, 0, 1)).max() <= 2


def test_a_palette_gives_colours_to_an_image_and_numbers_to_a_mask(tmp_path: Path) -> None:
    stored = (np.arange(24) % 4).astype(np.uint8).reshape(4, 6)
    made = dataset(stored, dicoms.SECONDARY, "US", PhotometricInterpretation="PALETTE COLOR")
    table = np.array([[0, 10, 20], [30, 40, 50], [60, 70, 80], [255, 250, 240]], np.uint16)
    for column, name in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(made, f"{name}PaletteColorLookupTableData", (table[:, column] << 8).tobytes())
    file = save(tmp_path / "a.dcm", made)
    np.testing.assert_array_equal(read_image(file).data, table[stored].transpose(2, 0, 1))
    np.testing.assert_array_equal(read_label(file)[0], stored)


def test_padding_burned_in_text_and_loss_are_told(tmp_path: Path) -> None:
    made = dataset(SIGNED, RescaleSlope=1, RescaleIntercept=-1024, BurnedInAnnotation="YES", LossyImageCompression="01")
    made.add_new("PixelPaddingValue", "US", 63536)  # -2000, told without its sign
    with pytest.raises(InputError, match=r"BurnedInAnnotation YES in 1 of 1 images; .*`dicom: \{burned_in: accept\}`"):
        read_header(save(tmp_path / "a.dcm", made))
    accepted = read_header(tmp_path / "a.dcm", Dicom(burned_in="accept"))
    remarks = {remark.what: remark for remark in accepted.remarks}
    burned, padding = (next(each for what, each in remarks.items() if word in what) for word in ("burned", "Padding"))
    assert "patient" in burned.what
    assert padding.got == "-3024"
    assert "pixels were compressed with loss" in remarks
    with pytest.raises(InputError, match="compressed with loss"):
        read_label(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("modality", "sop_class", "said", "noted"),
    [
        ("US", "1.2.840.10008.5.1.4.1.1.6.1", None, True),
        ("XC", "1.2.840.10008.5.1.4.1.1.77.1.4", None, True),
        ("CT", SECONDARY, None, True),
        ("US", "1.2.840.10008.5.1.4.1.1.6.1", "NO", False),
        ("CT", CT, None, False),
    ],
)
def test_a_header_that_says_nothing_of_text_is_noted_where_text_is_usual(
    tmp_path: Path, modality: str, sop_class: str, said: str | None, noted: bool
) -> None:
    more = {} if said is None else {"BurnedInAnnotation": said}
    file = save(tmp_path / "a.dcm", dataset(SIGNED, sop_class, modality, **more))
    told = [remark.got for remark in read_header(file).remarks if "does not say whether text" in remark.what]
    assert told == ([modality] if noted else [])


@pytest.mark.parametrize(
    ("elements", "syntax", "got"),
    [
        ({}, "1.2.840.10008.1.2.4.102", "packed as MPEG-4"),
        ({"PhotometricInterpretation": "HSV"}, "", "HSV colours"),
        ({"SamplesPerPixel": 3, "Rows": 8}, "", "3 values per pixel, of MONOCHROME2"),
        ({"BitsAllocated": 12}, "", "pixels of 16 bits in 12"),
        ({"RescaleSlope": "nan"}, "", "scaled by what is no number"),
    ],
)
def test_pixels_that_cannot_be_read_are_refused_with_the_header(
    tmp_path: Path, elements: dict[str, Any], syntax: str, got: str
) -> None:
    made = dataset(GREY, **elements)
    if syntax:
        made = repacked(made, syntax, bytes(100))
    with pytest.raises(InputError) as caught:
        read_header(save(tmp_path / "a.dcm", made))
    (problem,) = caught.value.problems
    assert got in problem.got
    assert problem.remedy


@pytest.mark.parametrize("name", PACKERS)
def test_damaged_packed_pixels_are_told(tmp_path: Path, name: str) -> None:
    syntax, pack = PACKERS[name]
    file = save(tmp_path / "a.dcm", repacked(dataset(GREY), syntax, pack(GREY)[:60]))
    with pytest.raises(InputError, match=r"a\.dcm: the image cannot be read \(got pixels that cannot be decoded"):
        read_image(file)

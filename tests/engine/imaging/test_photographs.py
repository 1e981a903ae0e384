"""Photographs: the way up, colours, transparency and palettes, for images and for masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_header, read_image, read_label, read_label_header

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)
COLOURS = np.stack([PIXELS * 10, PIXELS * 5, 255 - PIXELS], axis=-1)


def _exif(orientation: int) -> Any:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return exif


def _wide_gamut() -> bytes:
    """A profile that is not sRGB: that one with red and green exchanged, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace(b"s\0R\0G\0B", b"o\0t\0h\0r")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_orientation_tags_are_applied_to_images_and_masks(tmp_path: Path, suffix: str, orientation: int) -> None:
    path, picture = tmp_path / f"photo{suffix}", Pillow.fromarray(PIXELS)
    if suffix == ".tif":
        tifffile.imwrite(path, PIXELS, extratags=[(274, "H", 1, orientation, True)])
    else:
        picture.save(path, exif=_exif(orientation))
    stored = Pillow.fromarray(np.asarray(Pillow.open(path)) if suffix == ".jpg" else PIXELS)
    stored.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_image(path).data[0], expected)
    np.testing.assert_array_equal(read_label(path)[0], expected)
    assert read_header(path).geometry.shape == read_label_header(path).geometry.shape == expected.shape


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_palette_mask_keeps_its_numbers_and_a_palette_image_its_colours(tmp_path: Path, suffix: str) -> None:
    path, numbers = tmp_path / f"mask{suffix}", (PIXELS % 3).astype(np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = [[0, 0, 0], [255, 0, 0], [0, 200, 7]]
    if suffix == ".tif":
        tifffile.imwrite(path, numbers, photometric="palette", colormap=palette.T.astype(np.uint16) * 257)
    else:
        picture = Pillow.fromarray(numbers, "P")
        picture.putpalette(palette.ravel().tolist())
        picture.save(path, transparency=0)
    np.testing.assert_array_equal(read_label(path)[0], numbers)
    assert (read_label_header(path).channels, read_header(path).channels) == (1, 3)
    if suffix == ".tif":
        np.testing.assert_array_equal(np.moveaxis(read_image(path).data, 0, -1), palette[numbers])
    else:
        with pytest.raises(InputError, match="transparent"):
            read_image(path)


def test_a_palette_of_greys_is_a_grey_image(tmp_path: Path) -> None:
    picture = Pillow.fromarray(PIXELS, "P")
    picture.putpalette(np.repeat(255 - np.arange(256), 3).tolist())
    picture.save(tmp_path / "grey.png")
    assert read_header(tmp_path / "grey.png").channels == 1
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png").data[0], 255 - PIXELS)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_colours_of_another_profile_become_srgb_and_masks_stay(tmp_path: Path, suffix: str) -> None:
    path, profile = tmp_path / f"photo{suffix}", _wide_gamut()
    flat = np.full((16, 16, 3), (200, 40, 40), dtype=np.uint8)
    Pillow.fromarray(flat).save(path, icc_profile=profile)
    red, green, _ = read_image(path).data[:, 4, 4]
    assert green > red
    Pillow.fromarray(PIXELS).save(tmp_path / "mask.png", icc_profile=profile)
    np.testing.assert_array_equal(read_label(tmp_path / "mask.png")[0], PIXELS)


def test_srgb_changes_nothing_and_what_cannot_be_converted_is_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Pillow.fromarray(COLOURS).save(path, icc_profile=srgb)
    np.testing.assert_array_equal(np.moveaxis(read_image(path).data, 0, -1), COLOURS)
    Pillow.fromarray(COLOURS).save(path, icc_profile=b"not a profile at all")
    with pytest.raises(InputError, match="profile that is damaged"):
        read_image(path)
    deep = [(34675, "B", len(_wide_gamut()), _wide_gamut(), True)]
    tifffile.imwrite(tmp_path / "deep.tif", COLOURS.astype(np.uint16), photometric="rgb", extratags=deep)
    with pytest.raises(InputError, match="uint16 in the colours of the profile"):
        read_header(tmp_path / "deep.tif")


def test_an_alpha_channel_that_hides_nothing_is_left_out(tmp_path: Path) -> None:
    opaque = np.full((4, 6, 1), 255, np.uint8)
    Pillow.fromarray(np.concatenate([COLOURS, opaque], axis=-1)).save(tmp_path / "a.png")
    Pillow.fromarray(np.concatenate([PIXELS[..., None], opaque], axis=-1), "LA").save(tmp_path / "b.png")
    tifffile.imwrite(tmp_path / "a.tif", np.concatenate([COLOURS, opaque], -1), photometric="rgb", extrasamples=[2])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(np.moveaxis(read_image(tmp_path / name).data, 0, -1), COLOURS)
        assert read_header(tmp_path / name).channels == 3
    np.testing.assert_array_equal(read_image(tmp_path / "b.png").data[0], PIXELS)


def test_a_mask_saved_in_colours_that_has_none_is_read(tmp_path: Path) -> None:
    Pillow.fromarray(np.repeat(PIXELS[..., None], 3, axis=-1)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_label(tmp_path / "mask.png")[0], PIXELS)
    Pillow.fromarray(COLOURS).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match="3 channels"):
        read_label(tmp_path / "mask.png")


def test_other_colours_are_refused_by_name(tmp_path: Path) -> None:
    Pillow.new("CMYK", (8, 6)).save(tmp_path / "ink.jpg")
    Pillow.new("CMYK", (8, 6)).save(tmp_path / "ink.tif")
    Pillow.new("LAB", (8, 6)).save(tmp_path / "lab.tif")
    Pillow.new("YCbCr", (8, 6)).save(tmp_path / "video.tif")
    for name, word in (("ink.jpg", "CMYK"), ("ink.tif", "CMYK"), ("lab.tif", "CIELAB"), ("video.tif", "YCBCR")):
        for read in (read_header, read_image):
            with pytest.raises(InputError, match=word) as caught:
                read(tmp_path / name)  # type: ignore[operator]
            assert caught.value.problems[0].remedy


def test_images_of_one_bit_are_read(tmp_path: Path) -> None:
    bits = PIXELS % 2 == 1
    Pillow.fromarray(bits).save(tmp_path / "bits.png")
    tifffile.imwrite(tmp_path / "bits.tif", bits, photometric="minisblack")
    for name in ("bits.png", "bits.tif"):
        np.testing.assert_array_equal(read_label(tmp_path / name)[0], bits)
        assert read_header(tmp_path / name).pixel_type == "uint8"

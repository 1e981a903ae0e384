"""Damaged and unsuitable files are refused by name, in words, and without noise on the terminal."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Image, read_header, read_image, read_label, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry

FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".jpg", ".tif")


def _write(path: Path) -> None:
    rng = np.random.default_rng(0)
    if path.suffix in (".png", ".jpg", ".tif"):
        write_image(path, Image(rng.integers(0, 255, (1, 40, 50)).astype(np.uint8), plain_geometry((40, 50))))
    else:
        write_image(path, Image(rng.normal(size=(1, 20, 20, 20)).astype(np.float32), plain_geometry((20, 20, 20))))


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kept", [0, 10, 0.4, 0.9])
def test_a_file_cut_short_is_refused_quietly(
    tmp_path: Path, suffix: str, kept: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"cut{suffix}"
    _write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    _refusal(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_something_else_is_refused_quietly(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"letter{suffix}"
    path.write_bytes(b"Dear colleague, thank you for referring this patient. " * 40)
    _refusal(path)
    with pytest.raises(InputError):
        read_header(path)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_gzip_stream_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "flip.nii.gz")
    content = bytearray((tmp_path / "flip.nii.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "flip.nii.gz").write_bytes(content)
    assert "gzip" in _refusal(tmp_path / "flip.nii.gz")


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.mhd", ".mha"), ("a.dcm", "an empty file of 0 bytes"), ("a.npy", ".nii.gz"), ("a.xyz", ".nrrd"), ("a", ".png")],
)
def test_other_formats_are_refused_with_advice(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert advice in _refusal(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in _refusal(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize(("mode", "word"), [("RGBA", "alpha"), ("LA", "alpha")])
def test_pictures_with_transparent_pixels_are_refused_with_a_remedy(tmp_path: Path, mode: str, word: str) -> None:
    Pillow.new(mode, (8, 6)).save(tmp_path / "odd.png")
    message = _refusal(tmp_path / "odd.png")
    assert word in message
    assert "grey" in message


def test_deep_colour_is_refused_rather_than_halved(tmp_path: Path) -> None:
    import imagecodecs

    deep = np.full((4, 5, 3), 40000, dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    assert "16 bits" in _refusal(tmp_path / "deep.png")


def test_tiffs_that_are_not_one_grey_or_rgb_page_are_refused(tmp_path: Path) -> None:
    stack = np.zeros((3, 8, 9), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    assert "3 pages" in _refusal(tmp_path / "stack.tif")
    tifffile.imwrite(
        tmp_path / "alpha.tif", np.zeros((8, 9, 4), np.uint8), photometric="rgb", extrasamples=["unassalpha"]
    )
    assert "alpha" in _refusal(tmp_path / "alpha.tif")
    tifffile.imwrite(tmp_path / "white.tif", stack[0], photometric="miniswhite")
    assert "white" in _refusal(tmp_path / "white.tif")


def test_slanted_and_complex_volumes_are_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    volume = np.zeros((5, 5, 5), dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "slanted.nii.gz")
    assert "right angles" in _refusal(tmp_path / "slanted.nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.complex64), np.eye(4)), tmp_path / "complex.nii.gz")
    assert "complex" in _refusal(tmp_path / "complex.nii.gz")


def test_masks_with_fractions_or_colours_are_refused(tmp_path: Path) -> None:
    fractions = np.zeros((1, 4, 5, 6), dtype=np.float32)
    fractions[0, 1, 2, 3] = 0.25
    write_image(tmp_path / "soft.nii.gz", Image(fractions, plain_geometry((4, 5, 6))))
    with pytest.raises(InputError, match=r"0\.25 in 1 voxels"):
        read_label(tmp_path / "soft.nii.gz")
    Pillow.new("RGB", (8, 6), (1, 2, 1)).save(tmp_path / "colour.png")
    with pytest.raises(InputError, match="3 channels"):
        read_label(tmp_path / "colour.png")


def test_what_a_format_cannot_hold_is_not_written(tmp_path: Path) -> None:
    image = Image(np.zeros((1, 4, 5), dtype=np.float32), plain_geometry((4, 5)))
    with pytest.raises(InputError, match="float32"):
        write_image(tmp_path / "a.png", image)
    with pytest.raises(InputError, match="2 channels"):
        write_image(tmp_path / "a.tif", Image(np.zeros((2, 4, 5), np.uint8), plain_geometry((4, 5))))
    with pytest.raises(InputError, match="JPEG"):
        write_label(tmp_path / "a.jpg", np.zeros((4, 5), np.uint8), plain_geometry((4, 5)))
    with pytest.raises(InputError, match="70000"):
        write_label(tmp_path / "a.nii.gz", np.full((4, 5), 70000), plain_geometry((4, 5)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_values_that_are_not_numbers_are_not_read_as_zero(tmp_path: Path, suffix: str, kind: type) -> None:
    volume = np.ones((5, 6, 7), dtype=kind)
    volume[1, 2, 3], volume[4, 5, 6] = np.nan, np.inf
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / f"holes{suffix}")
    assert "2 voxels are NaN or infinite" in _refusal(tmp_path / f"holes{suffix}")
    volume[4, 5, 6] = 1
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / f"hole{suffix}")
    assert "1 voxel is NaN or infinite" in _refusal(tmp_path / f"hole{suffix}")

"""A file that is something else than its name says is named as what it is."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_header, read_image, read_label


def _picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(buffer, format=kind)
    return buffer.getvalue()


NIFTI = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_bytes()
DICOM = b"\0" * 128 + b"DICM" + b"\0" * 600


@pytest.mark.parametrize(
    ("name", "content", "words", "remedy"),
    [
        ("scan.png", NIFTI, "an uncompressed NIfTI", "scan.nii"),
        ("scan.nii.gz", NIFTI, "an uncompressed NIfTI", "scan.nii"),
        ("scan.nii", gzip.compress(NIFTI, mtime=0), "packed with gzip", "scan.nii.gz"),
        ("scan.nii", DICOM, "a DICOM file", "scan.dcm"),
        ("scan.nii.gz", DICOM, "a DICOM file", "scan.dcm"),
        ("IM0001", DICOM, "a DICOM file that does not say what it holds", "export it again"),
        ("scan.png", DICOM, "a DICOM file", "scan.dcm"),
        ("photo.tif", _picture("PNG"), "a PNG image", "photo.png"),
        ("photo.png", _picture("TIFF"), "a TIFF image", "photo.tif"),
        ("photo.jpg", _picture("BMP"), "a BMP image", ".png"),
        ("photo.png", _picture("WEBP"), "a WebP image", ".png"),
        ("scan.nrrd", _picture("PNG"), "a PNG image", "scan.png"),
        ("scan.nii.gz", b"NRRD0004\ntype: short\n", "an NRRD image", "scan.nrrd"),
        ("scan.nii.gz", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "fetch"),
        ("scan.nii.gz", b"<!DOCTYPE html><html>" * 40, "a web page", "Fetch"),
        ("scan.nii.gz", gzip.compress(b"hello" * 300, mtime=0), "no NIfTI", "Unpack"),
        ("scan.nii", NIFTI.replace(b"n+1", b"ni1"), "pair", ".nii.gz"),
    ],
)
def test_a_wrong_suffix_is_told_with_the_right_one(
    tmp_path: Path, name: str, content: bytes, words: str, remedy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_header, read_image, read_label):
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)  # type: ignore[operator]
        (problem,) = caught.value.problems
        assert words in problem.got
        assert remedy.lower() in problem.remedy.lower()
    assert capfd.readouterr() == ("", "")


def test_png_and_jpeg_may_take_each_others_name(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(_picture("PNG"))
    (tmp_path / "photo.png").write_bytes(_picture("JPEG"))
    assert read_header(tmp_path / "photo.jpg").geometry.shape == read_header(tmp_path / "photo.png").geometry.shape


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.mha", "scan.nrrd", "photo.png", "photo.tif"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file of 0 bytes"),
        (bytes(200), "a file of 200 bytes that are all 0"),
        (bytes(3_000_000), "a file of 3,000,000 bytes that are all 0"),
        (bytes(4096) + b"voxels", "a file whose first 4,096 bytes are 0"),
    ],
    ids=["empty", "short", "long", "begun late"],
)
def test_the_placeholder_of_a_cloud_drive_is_told_as_that(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_header, read_label):
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)  # type: ignore[operator]
        (problem,) = caught.value.problems
        assert problem.got == words
        assert "the placeholder of a cloud drive" in problem.remedy

"""Segmentations are laid onto the grid of their image voxel by voxel; what does not fit, or is no mask, is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.support.dicoms import CT, DX, OBLIQUE, SECRET, dataset, save, voxels, write_multiframe, write_series
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.imaging import read_header, read_label, read_label_header, write_image
from wardround.engine.imaging.dicom import segment_writing
from wardround.engine.imaging.dicom.codes import concepts_of
from wardround.engine.imaging.image import Geometry, Image, Remark
from wardround.engine.imaging.reading import drawn_on

NAMES = ("liver", "Tumour core", "ventricles")


def _mask(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, len(NAMES) + 1, shape).astype(np.uint8)


def _drawn(
    folder: Path, mask: np.ndarray | None = None, image: Path | None = None
) -> tuple[np.ndarray, Path, Geometry]:
    """A series, and a segmentation of it."""
    image = folder / "scan" if image is None else image
    if not image.exists():
        write_series(image, orientation=OBLIQUE)
    grid = read_header(image).geometry
    mask = _mask(grid.shape) if mask is None else mask
    segment_writing.write(folder / "seg.dcm", mask, NAMES, image)
    return mask, folder / "seg.dcm", grid


@pytest.mark.parametrize("kind", ["series", "multi-frame", "flat", "radiograph"])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "scan"
    if kind == "multi-frame":
        image = write_multiframe(tmp_path / "scan.dcm", voxels(5))
    elif kind == "flat":
        write_series(tmp_path / "whole")
        image = tmp_path / "whole" / "IM0002"
    elif kind == "radiograph":
        image = save(tmp_path / "scan.dcm", dataset(voxels()[0].astype(np.uint16), DX, "DX", PixelSpacing=[1, 1]))
    mask, file, grid = _drawn(tmp_path, image=image)
    read, found = read_label(file, grid)
    np.testing.assert_array_equal(read, mask)
    assert found == grid == read_label_header(file, grid).geometry
    assert drawn_on(file, image) is None


def test_highdicom_reads_the_same_mask_at_the_same_place(tmp_path: Path) -> None:
    mask, file, grid = _drawn(tmp_path)
    volume: Any = highdicom.seg.segread(file).get_volume(combine_segments=True)
    np.testing.assert_allclose(volume.spacing, grid.spacing[::-1])
    mine = np.eye(4)
    mine[:3, :3] = np.asarray(grid.direction).reshape(3, 3) * grid.spacing
    mine[:3, 3] = grid.origin
    way = np.linalg.inv(mine) @ volume.affine  # from its (slice, row, column) to our (x, y, z)
    for index in itertools.product(*(range(0, side, 2) for side in volume.spatial_shape)):
        x, y, z = np.rint(way @ [*index, 1])[:3].astype(int)
        assert volume.array[index] == mask[x, y, z]


def test_the_file_names_its_maker_its_classes_and_its_images(tmp_path: Path) -> None:
    _, file, _ = _drawn(tmp_path)
    made = pydicom.dcmread(file)
    images = [pydicom.dcmread(each, stop_before_pixels=True) for each in (tmp_path / "scan").iterdir()]
    named = {each.ReferencedSOPInstanceUID for each in made.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert named == {each.SOPInstanceUID for each in images}
    assert made.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    assert (made.PatientName, made.StudyInstanceUID) == (SECRET, images[0].StudyInstanceUID)
    assert [each.SegmentLabel for each in made.SegmentSequence] == [*NAMES]
    first = made.SegmentSequence[0]
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert first.SegmentAlgorithmName == "Wardround"
    assert concepts_of("Tumour core")[1].meaning == "Neoplasm"
    assert concepts_of("left kidneys")[1].meaning == "Kidney"
    assert concepts_of("gamma")[1].meaning == "Tissue"


def test_an_empty_mask_is_a_result_like_any_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "scan")
    shape = read_header(tmp_path / "scan").geometry.shape
    _, file, grid = _drawn(tmp_path, np.zeros(shape, np.uint8))
    assert not read_label(file, grid)[0].any()
    assert capfd.readouterr() == ("", "")


def test_images_of_old_scanners_without_a_character_set_get_segmentations(tmp_path: Path) -> None:
    def old(number: int, made: Any) -> None:
        made.SpecificCharacterSet = ""
        del made.PatientSex, made.StudyDate, made.AccessionNumber

    write_series(tmp_path / "scan", change=old)
    mask, file, grid = _drawn(tmp_path)
    np.testing.assert_array_equal(read_label(file, grid)[0], mask)


def test_a_sparse_segmentation_turned_round_lands_on_the_image(tmp_path: Path) -> None:
    """Frames of two slices only, of a series that another program stored the other way round."""
    mask, file, grid = _drawn(tmp_path)
    made = pydicom.dcmread(file)
    frames = highdicom.seg.segread(file).pixel_array
    kept = [3, 0, 7]
    groups = [made.PerFrameFunctionalGroupsSequence[each] for each in kept]
    for group in groups:  # columns and rows exchanged, and rows from the end
        place = group.PlanePositionSequence[0]
        steps = np.asarray(OBLIQUE).reshape(2, 3) * [[0.6], [0.8]]
        last = np.asarray(place.ImagePositionPatient, dtype=float) + steps[0] * (made.Columns - 1)
        place.ImagePositionPatient = [float(f"{each:.6f}") for each in last]
    shared = made.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [*OBLIQUE[3:], *(-each for each in OBLIQUE[:3])]
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.6, 0.8]
    turned = frames[kept].transpose(0, 2, 1)[:, ::-1]
    made.Rows, made.Columns = turned.shape[1:]
    made.NumberOfFrames, made.PerFrameFunctionalGroupsSequence = len(kept), groups
    made.PixelData = np.packbits(turned.ravel(), bitorder="little").tobytes()
    made.save_as(tmp_path / "turned.dcm")
    expected = np.zeros_like(mask)
    for group in groups:
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        place = np.asarray(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        z = round(float(place[2] - grid.origin[2]) / 2.5)
        plane = mask[:, :, z] == number
        expected[:, :, z][plane] = number
    np.testing.assert_array_equal(read_label(tmp_path / "turned.dcm", grid)[0], expected)
    assert expected.any()


def _two(folder: Path, change: Any) -> Path:
    _drawn(folder)
    made = pydicom.dcmread(folder / "seg.dcm")
    change(made)
    made.save_as(folder / "changed.dcm")
    return folder / "changed.dcm"


def _overlapping(made: Any) -> None:
    made.PixelData = b"\xff" * len(made.PixelData)


def _moved(made: Any) -> None:
    for group in made.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        position.ImagePositionPatient = [position.ImagePositionPatient[0] + 0.3, *position.ImagePositionPatient[1:]]


def _outside(made: Any) -> None:
    position = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    position.ImagePositionPatient = [*position.ImagePositionPatient[:2], 99.5 - 29.5]


def _unlisted(made: Any) -> None:
    made.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


def _tiled(made: Any) -> None:
    made.TotalPixelMatrixRows = 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_overlapping, r"segments overlap.*1 \(liver\) and 2 \(Tumour core\) in \d+ voxels"),
        (_moved, "does not lie on the grid of its image.*0.48 voxels beside"),
        (_outside, "does not lie on the grid of its image.*outside of the image"),
        (_unlisted, "frames of the segment 9, which it does not list"),
        (_tiled, "a segmentation of a whole slide"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    file = _two(tmp_path, change)
    with pytest.raises(InputError, match=words) as caught:
        read_label(file, read_header(tmp_path / "scan").geometry)
    assert all(problem.remedy for problem in caught.value.problems)
    assert "Secret" not in str(caught.value)


def test_a_segmentation_of_another_scan_is_told(tmp_path: Path) -> None:
    _, file, _ = _drawn(tmp_path)
    write_series(tmp_path / "other")
    found = drawn_on(file, tmp_path / "other")
    assert isinstance(found, Problem)
    assert "drawn on another scan" in found.what


def test_another_series_of_the_same_space_is_worth_a_remark(tmp_path: Path) -> None:
    space = generate_uid()
    write_series(tmp_path / "scan", orientation=OBLIQUE, space=space)
    write_series(tmp_path / "thin", orientation=OBLIQUE, space=space)
    _, file, _ = _drawn(tmp_path)
    assert isinstance(drawn_on(file, tmp_path / "thin"), Remark)


def test_fractions_are_refused_unless_all_are_whole(tmp_path: Path) -> None:
    write_series(tmp_path / "scan")
    images = [pydicom.dcmread(each) for each in sorted((tmp_path / "scan").iterdir())]
    images.sort(key=lambda each: float(each.ImagePositionPatient[2]))
    for each in images:
        each.SliceThickness = 2.5
    seg: Any = highdicom.seg
    described = segment_writing._described(1, "liver")
    for name, values in (("whole", [0.0, 1.0]), ("part", [0.0, 0.4])):
        pixels = np.random.default_rng(0).choice(values, (5, 6, 7)).astype(np.float32)
        made = seg.Segmentation(
            images, pixels, seg.SegmentationTypeValues.FRACTIONAL, [described], generate_uid(), 1, generate_uid(), 1,
            "m", "m", "1", "1",
        )  # fmt: skip
        made.save_as(tmp_path / f"{name}.dcm")
    grid = read_header(tmp_path / "scan").geometry
    assert set(np.unique(read_label(tmp_path / "whole.dcm", grid)[0])) == {0, 1}
    with pytest.raises(InputError, match="the segmentation holds fractions"):
        read_label(tmp_path / "part.dcm", grid)


def test_a_map_of_labels_keeps_numbers_that_it_does_not_list(tmp_path: Path) -> None:
    """258 is no 2: what a study does with it is told by the study, not by how many bits are left of it."""

    def labelled(made: Any) -> None:
        groups = [each for each in made.PerFrameFunctionalGroupsSequence if _segment(each) == 1]
        made.SegmentationType, made.NumberOfFrames, made.PerFrameFunctionalGroupsSequence = (
            "LABELMAP",
            len(groups),
            groups,
        )
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
        made.PixelData = np.full((len(groups), made.Rows, made.Columns), 258, np.uint16).tobytes()
        made["PixelData"].VR = "OW"

    file = _two(tmp_path, labelled)
    assert set(np.unique(read_label(file, read_header(tmp_path / "scan").geometry)[0])) == {258}


def _segment(group: Any) -> int:
    return int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def test_contours_are_refused_with_what_to_do(tmp_path: Path) -> None:
    made = dataset(voxels()[0], f"{CT[:-1]}481.3", "RTSTRUCT")
    del made.PixelData, made.Rows, made.Columns
    with pytest.raises(InputError, match=r"holds no mask \(got contours of radiotherapy \(RTSTRUCT\)\).*3D Slicer"):
        read_label_header(save(tmp_path / "rt.dcm", made))


def test_a_segmentation_lies_on_an_image_that_was_converted(tmp_path: Path) -> None:
    mask, file, grid = _drawn(tmp_path)
    write_image(tmp_path / "scan.nii.gz", Image(np.zeros((1, *grid.shape), np.int16), grid))
    converted = read_header(tmp_path / "scan.nii.gz").geometry
    np.testing.assert_array_equal(read_label(file, converted)[0], mask)
    assert drawn_on(file, tmp_path / "scan.nii.gz") is None

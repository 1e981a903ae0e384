"""One file in several rows: what was not meant is refused, what may be meant is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.experiments.cohorts import solid_study
from tests.support.images import write_segmentation_cohort
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_image, read_label, write_image, write_label
from wardround.engine.inspection import Depth, check_manifest

SHAPE = (18, 22, 14)
SHARED = "one mask is named for different images of several"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_segmentation_cohort(tmp_path, cases=6, shape=SHAPE, classes=1)


def name_masks(manifest: Path, names: list[int], patients: list[str] | None = None) -> None:
    """A table whose rows name the masks of these cases."""
    head = "SubjectID,PatientID" if patients else "SubjectID"
    rows = [
        ",".join(filter(None, (f"case_{row:03d}", (patients or [""] * 6)[row], f"images/case_{row:03d}.nii.gz", path)))
        for row, path in enumerate(f"labels/case_{name:03d}.nii.gz" for name in names)
    ]
    manifest.write_text("\n".join([f"{head},Channel_0,Label", *rows]) + "\n")


def problems(manifest: Path, depth: Depth = Depth.HEADERS) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_manifest(solid_study(), manifest, depth)
    return [problem.render() for problem in caught.value.problems]


@pytest.mark.parametrize("depth", [Depth.GRIDS, Depth.HEADERS, Depth.VOXELS])
@pytest.mark.parametrize("patients", [None, list("abcdef")], ids=["rows", "patients"])
def test_cells_that_slipped_by_a_row(manifest: Path, depth: Depth, patients: list[str] | None) -> None:
    name_masks(manifest, [0, 0, 1, 2, 3, 4], patients)
    (told,) = problems(manifest, depth)
    assert f"data.csv:3, subject 'case_001', Label: {SHARED} {'patients' if patients else 'rows'}" in told
    assert "case_000.nii.gz for 'case_000' (line 2), 'case_001' (line 3)" in told
    assert "Did the cells slip by a row?" in told


def test_a_column_that_was_filled_in_with_one_mask(manifest: Path) -> None:
    name_masks(manifest, [2] * 6)
    (told,) = problems(manifest)
    assert SHARED in told
    assert "'case_002' (line 4) and 3 more" in told


def test_a_mask_under_a_link(manifest: Path) -> None:
    mask = manifest.parent / "labels" / "case_001.nii.gz"
    mask.unlink()
    mask.symlink_to(mask.with_name("case_000.nii.gz"))
    assert SHARED in problems(manifest)[0]


def test_an_empty_mask_and_images_of_one_patient_may_share_theirs(manifest: Path) -> None:
    name_masks(manifest, [0, 0, 2, 3, 4, 5], ["a", "a", "b", "c", "d", "e"])
    check_manifest(solid_study(), manifest, Depth.VOXELS)
    mask, grid = read_label(manifest.parent / "labels" / "case_000.nii.gz")
    write_label(manifest.parent / "labels" / "case_000.nii.gz", np.zeros_like(mask), grid)
    name_masks(manifest, [0, 0, 0, 3, 4, 5], list("abcdef"))
    notices = check_manifest(solid_study(), manifest, Depth.VOXELS).inspection.notices
    assert not any("same mask" in notice.what for notice in notices)


def test_a_mask_under_two_names_is_noted_where_voxels_are_read(manifest: Path) -> None:
    labels = manifest.parent / "labels"
    shutil.copy(labels / "case_000.nii.gz", labels / "case_003.nii.gz")
    name_masks(manifest, [*range(6)], list("abcdef"))
    told = [notice.what for notice in check_manifest(solid_study(), manifest, Depth.VOXELS).inspection.notices]
    assert "the same mask stands under 2 names for different images: 'case_000' (line 2), 'case_003' (line 5)" in told


def test_masks_of_one_value_alone_are_alike_by_chance(manifest: Path) -> None:
    for number in (0, 3):
        mask, grid = read_label(manifest.parent / "labels" / f"case_{number:03d}.nii.gz")
        write_label(manifest.parent / "labels" / f"case_{number:03d}.nii.gz", np.ones_like(mask), grid)
    notices = check_manifest(solid_study(), manifest, Depth.VOXELS).inspection.notices
    assert not any("the same mask stands" in notice.what for notice in notices)


def test_an_image_that_two_rows_name_is_told_once_with_both_lines(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace("images/case_003", "images/case_001"))
    (told,) = problems(manifest)
    assert "has the same image as" in told
    assert "name case_001.nii.gz: name in each the image of its own subject" in told


def test_a_mask_beside_the_image_of_another_row_keeps_its_header(manifest: Path) -> None:
    for folder in ("images", "labels"):
        path = manifest.parent / folder / "case_003.nii.gz"
        if folder == "images":
            image = read_image(path)
            write_image(path, replace(image, geometry=replace(image.geometry, origin=(0.0, 0.0, 0.0))))
        else:
            mask, grid = read_label(path)
            write_label(path, mask, replace(grid, origin=(0.0, 0.0, 0.0)))
    manifest.write_text(manifest.read_text().replace("images/case_003", "images/case_001"))
    told = " ".join(problems(manifest))
    assert "case_001.nii.gz, as on line 3 ('case_001')" in told
    assert "Name the image of this row in Channel_0" in told
    assert "CopyInformation" not in told

"""Inspecting a cohort: what it knows, what it shows, and what it does not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, folder_cohort, read_manifest
from wardround.engine.imaging import reading
from wardround.engine.inspection import Depth, check_manifest, inspect_cohort

STUDY = study_of(SEGMENTATION)
SHAPE = (20, 18, 16)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_segmentation_cohort(tmp_path, cases=4, shape=SHAPE)


def test_the_grids_of_all_cases_are_known(manifest: Path) -> None:
    cohort = read_manifest(manifest, STUDY, truth=Truth.REQUIRED)
    for depth in Depth:
        inspection = inspect_cohort(STUDY, cohort, depth)
        assert {grid.shape for grid in inspection.grids.values()} == {SHAPE}
        assert [*inspection.grids] == [case.subject for case in cohort.cases]
        (notice,) = inspection.notices
        assert "each row counts as a patient" in notice.what


def test_headers_are_read_without_voxels(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("voxels were read")

    monkeypatch.setattr(reading, "_voxels", forbidden)
    cohort = read_manifest(manifest, STUDY, truth=Truth.REQUIRED)
    inspect_cohort(STUDY, cohort, Depth.HEADERS)
    with pytest.raises(AssertionError):
        inspect_cohort(STUDY, cohort, Depth.VOXELS)


def test_a_folder_of_images_is_inspected_without_masks(manifest: Path) -> None:
    cohort = folder_cohort(manifest.parent / "images", STUDY)
    assert len(inspect_cohort(STUDY, cohort, Depth.VOXELS).grids) == 4
    cohort.cases[1].channels[0].write_bytes(b"")
    with pytest.raises(
        InputError, match=r"^images, subject 'case_001', Channel_0 \(case_001.nii.gz\): the image cannot"
    ):
        inspect_cohort(STUDY, cohort, Depth.HEADERS)


def test_a_site_checks_its_manifest_against_a_study_it_was_sent(manifest: Path) -> None:
    result = check_manifest(STUDY, manifest, Depth.HEADERS)
    assert result.study is STUDY
    assert len(result.cohort.cases) == 4
    manifest.write_text(manifest.read_text().replace("Label", "Mask"))
    with pytest.raises(InputError, match="the column 'Label' is missing"):
        check_manifest(STUDY, manifest, Depth.HEADERS)


@pytest.mark.parametrize(("augmentation", "said"), [([], True), ([{"flip": []}], True), (["flip"], False)])
def test_mirroring_that_has_no_effect_is_told(manifest: Path, augmentation: list[str], said: bool) -> None:
    study = study_of({**SEGMENTATION, "augmentation": augmentation, "inference": {"mirror": True}})
    notices = inspect_cohort(study, read_manifest(manifest, study, truth=Truth.REQUIRED), Depth.HEADERS).notices
    assert any(notice.where == "inference.mirror" for notice in notices) is said

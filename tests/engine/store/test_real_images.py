"""Real images of many makers go into the store and come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.shared_data import shared_data
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.imaging import geometry_differences, read_header, read_image, read_label
from wardround.engine.preprocessing import to_native
from wardround.engine.store import CaseStore

pytestmark = pytest.mark.shared_data

HIPPOCAMPUS = changed(
    SEGMENTATION,
    classes={"anterior": 1, "posterior": 2},
    preprocessing=[{"orient": "RAS"}, {"resample": [1, 1, 1]}, {"z_normalize": "nonzero"}],
)


@pytest.mark.parametrize("site", ["north", "west"])
def test_hippocampus_masks_survive_the_way_there_and_back(tmp_path: Path, site: str) -> None:
    study = study_of(HIPPOCAMPUS)
    cohort = read_manifest(shared_data() / "hippocampus" / f"{site}.csv", study, truth=Truth.REQUIRED)
    few = cohort.cases[:4]
    for case, stored in zip(few, CaseStore(tmp_path).open_cases(study, few), strict=True):
        assert case.label is not None
        assert stored.label is not None
        truth, native = read_label(case.label)
        back = to_native(np.asarray(stored.label), stored.geometry, native, "label")
        np.testing.assert_array_equal(back, truth)
        assert abs(float(stored.image[stored.image != 0].mean())) < 1e-3


def test_nuclei_of_three_microscopes_are_read(tmp_path: Path) -> None:
    study = study_of(
        changed(
            SEGMENTATION,
            inputs=["fluorescence"],
            classes={"nucleus": 1},
            preprocessing=["z_normalize"],
            patches={"size": [64, 64]},
            model={"name": "unet", "dimensions": 2, "filters": 4, "levels": 3},
        )
    )
    for site in ("confocal_256", "confocal_360", "widefield_520"):
        cohort = read_manifest(shared_data() / "nuclei" / f"{site}.csv", study, truth=Truth.REQUIRED)
        few = Cohort(cohort.manifest, cohort.cases[:5])
        for stored in CaseStore(tmp_path).open_cases(study, few.cases):
            assert stored.image.ndim == 3
            assert stored.label is not None
            assert set(np.unique(stored.label)) <= {0, 1}


def test_image_and_mask_pairs_lie_on_one_grid() -> None:
    folder = shared_data()
    pairs = [
        (folder / "nrrd_pairs" / f"{name}_image.nrrd", folder / "nrrd_pairs" / f"{name}_label.nrrd")
        for name in ("brain1", "brain2", "breast1")
    ]
    pairs.append((folder / "spine_aniso" / "t2s.nii.gz", folder / "spine_aniso" / "t2s_seg.nii.gz"))
    for image, mask in pairs:
        label, grid = read_label(mask)
        assert geometry_differences(read_header(image).geometry, grid) == ()
        assert read_image(image).data.shape[1:] == label.shape
        assert np.issubdtype(label.dtype, np.integer)


def test_slides_are_refused_with_advice() -> None:
    with pytest.raises(InputError, match=r"broken\.svs.*Whole slides are not read yet"):
        read_header(shared_data() / "slides" / "broken.svs")

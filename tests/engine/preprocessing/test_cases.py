"""Files become samples; what does not fit the study is named with its case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.images import oblique_geometry
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case
from wardround.engine.imaging import Image, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing import Pipeline, read_sample, told_of
from wardround.engine.targets import Told

SHAPE = (6, 7, 8)


def _case(*channels: Path, label: Path | None = None, value: str | None = None) -> Case:
    return Case("kim", "kim", channels, label, value, None, 3, "data.csv")


def _image(path: Path, channels: int = 1, value: float = 1.0, shape: tuple[int, ...] = SHAPE) -> Path:
    write_image(path, Image(np.full((channels, *shape), value, np.float32), oblique_geometry(shape)))
    return path


def test_channels_are_joined_and_masks_become_indices(tmp_path: Path) -> None:
    study = study_of(changed(SEGMENTATION, inputs=["a", "b"], classes={"late": 7, "early": 300}))
    mask = np.random.default_rng(0).choice([0, 7, 300], SHAPE)
    write_label(tmp_path / "m.nii.gz", mask, oblique_geometry(SHAPE))
    case = _case(_image(tmp_path / "a.nii.gz"), _image(tmp_path / "b.nii.gz", value=2), label=tmp_path / "m.nii.gz")
    sample = read_sample(study, case)
    assert sample.image.data[:, 0, 0, 0].tolist() == [1, 2]
    assert sample.label is not None
    np.testing.assert_array_equal(np.asarray([0, 7, 300])[sample.label], mask)


def test_one_file_may_hold_all_channels(tmp_path: Path) -> None:
    study = study_of(changed(SEGMENTATION, inputs=["r", "g", "b"]))
    assert read_sample(study, _case(_image(tmp_path / "rgb.nii.gz", channels=3))).image.data.shape == (3, *SHAPE)


def test_wrong_channels_and_grids_are_all_named(tmp_path: Path) -> None:
    study = study_of(changed(SEGMENTATION, inputs=["a", "b"]))
    with pytest.raises(InputError, match=r"data.csv:3, subject 'kim'.*3 \(rgb.nii.gz\).*expected 2"):
        read_sample(study, _case(_image(tmp_path / "rgb.nii.gz", channels=3)))
    small = _image(tmp_path / "small.nii.gz", shape=(6, 7, 9))
    with pytest.raises(InputError, match="size of axis z: 9 against 8"):
        read_sample(study, _case(_image(tmp_path / "a.nii.gz"), small))
    with pytest.raises(InputError) as caught:
        read_sample(study, _case(tmp_path / "x.nii.gz", tmp_path / "y.nii.gz"))
    assert len(caught.value.problems) == 2


def test_unknown_mask_values_are_listed(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[0, 0, :3] = (1, 4, 9)
    write_label(tmp_path / "m.nii.gz", mask, oblique_geometry(SHAPE))
    with pytest.raises(InputError, match=r"m\.nii\.gz.*got 4 in 1 voxel, 9 in 1 voxel.*expected 0 .*, 1 .*, 2"):
        read_sample(study_of(SEGMENTATION), _case(_image(tmp_path / "a.nii.gz"), label=tmp_path / "m.nii.gz"))


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    write_label(tmp_path / "m.nii.gz", np.zeros(SHAPE, np.uint8), plain_geometry(SHAPE))
    with pytest.raises(InputError, match="origin along x"):
        read_sample(study_of(SEGMENTATION), _case(_image(tmp_path / "a.nii.gz"), label=tmp_path / "m.nii.gz"))


def test_values_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kim.*336 of 336 voxels"):
        read_sample(study_of(SEGMENTATION), _case(_image(tmp_path / "a.nrrd", value=np.nan)))


def test_a_flat_picture_for_a_3d_study_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", Image(np.zeros((1, 8, 9), np.uint8), plain_geometry((8, 9))))
    with pytest.raises(InputError, match="2 axes; expected 3"):
        read_sample(study_of(SEGMENTATION), _case(tmp_path / "a.png"))


def test_targets_are_indices_of_classes() -> None:
    study = study_of(changed(CLASSIFICATION, classes={"benign": 3, "malignant": 5}))
    assert told_of(study, _case(value="5")) == Told(category=1)
    assert told_of(study, _case()) == Told()
    assert told_of(study_of(SEGMENTATION), _case(value="5")) == Told()
    with pytest.raises(InputError, match=r"'4'.*expected 3, 5"):
        told_of(study, _case(value="4"))


def test_the_signature_tells_steps_parameters_and_versions_apart() -> None:
    signatures = [
        repr(Pipeline(study_of(changed(SEGMENTATION, preprocessing=steps))).signature)
        for steps in ([], [{"orient": "RAS"}], [{"orient": "LPS"}], [{"clip": {"low": 0, "high": 1}}])
    ]
    assert len(set(signatures)) == 4
    assert "'version': 1" in signatures[1]

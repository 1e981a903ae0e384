"""Parts answer for themselves: those of an installed package take part in every check in which Wardround's own do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import answering_parts
from tests.support.answering_parts import PACKAGE
from tests.support.images import write_segmentation_cohort
from tests.support.installing import forget
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.inspection import Depth, inspect_cohort
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.parts.preprocessing import Grid
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.report.cases import clip_window
from wardround.engine.study import load_study
from wardround.engine.study.models import Study
from wardround.engine.trial import trial_pass

FIFTHS = {"name": "fifths", "dimensions": 3, "norm": "group"}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package whose parts answer, installed for one test."""
    answering_parts.install(tmp_path / "site-packages", monkeypatch)
    yield
    monkeypatch.undo()
    forget()


def _told(folder: Path, base: dict[str, Any], **sections: Any) -> str:
    """What is said of a study that has these sections instead."""
    with pytest.raises(InputError) as raised:
        load_study(write_study(folder / "study.yaml", changed(base, **sections)))
    return str(raised.value)


def test_a_step_says_what_it_does_not_fit(tmp_path: Path) -> None:
    told = _told(tmp_path, CLASSIFICATION, preprocessing=["rescale", "halve"])
    assert "preprocessing.1: only volumes can be halved" in told or "preprocessing.1.halve: only volumes" in told
    study_of(changed(SEGMENTATION, preprocessing=["halve"]))


def test_a_network_says_what_a_patch_must_be_divisible_by(tmp_path: Path) -> None:
    told = _told(tmp_path, SEGMENTATION, model=FIFTHS)
    assert "patches.size: the network cannot divide this patch evenly" in told
    assert "multiples of 5, such as [20, 20, 20]" in told
    assert "or another network in `model`" in told
    fitting = study_of(changed(SEGMENTATION, model=FIFTHS, patches={"size": [20, 15, 10]}))
    assert fitting.divisors == (5, 5, 5)


def test_a_smaller_patch_is_offered_in_steps_of_what_the_network_divides_by(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, cases=2, shape=(22, 18, 16))
    study = study_of(changed(SEGMENTATION, preprocessing=[], model=FIFTHS, patches={"size": [60, 60, 60]}))
    notices = inspect_cohort(study, read_manifest(manifest, study, truth=Truth.REQUIRED), Depth.HEADERS).notices
    assert any("`patches: {size: [25, 20, 20]}`" in notice.remedy for notice in notices)


def test_a_transform_says_which_axes_it_mirrors() -> None:
    assert study_of(changed(SEGMENTATION, augmentation=["mirror"])).flipped_axes == (0,)
    assert study_of(changed(SEGMENTATION, augmentation=["mirror", {"flip": [2]}])).flipped_axes == (0, 2)


def test_a_loss_says_what_it_does_not_fit(tmp_path: Path) -> None:
    training = {**SEGMENTATION["training"], "loss": {"balanced": {"classes": 5}}}
    told = _told(tmp_path, SEGMENTATION, training=training)
    assert "training.loss.classes: another number of classes (got 5; expected 3). Count" in told


def test_answers_that_fail_or_are_none_are_told_of_the_package(tmp_path: Path) -> None:
    training = {**SEGMENTATION["training"], "loss": {"balanced": {"junk": True}}}
    told = _told(tmp_path, SEGMENTATION, training=training)
    assert f"the loss 'balanced', of the package {PACKAGE}, does not give what it must" in told
    assert "got 'nonsense' in its `flaws`; expected Iterator[Flaw]" in told
    told = _told(tmp_path, SEGMENTATION, model={**FIFTHS, "width": 13})
    assert f"the network 'fifths', of the package {PACKAGE}, fails" in told
    assert "RuntimeError: thirteen" in told


def _halving(**parameters: Any) -> Study:
    return study_of(changed(SEGMENTATION, preprocessing=[{"orient": "LPS"}, {"halve": parameters}]))


def test_a_step_says_which_grid_it_leaves() -> None:
    grid = Geometry((7, 6, 5), (1.0, 2.0, 3.0), (5.0, 0.0, 1.0), tuple(np.eye(3).ravel().tolist()))
    data = np.random.default_rng(0).random((1, *grid.shape), dtype=np.float32)
    made = Pipeline(_halving()).apply(Sample(Image(data, grid), None)).image.geometry
    foretold = preprocessed_grid(_halving(), grid)
    assert foretold is not None
    assert (foretold.shape, foretold.spacing) == (made.shape, made.spacing) == ((4, 3, 3), (2.0, 4.0, 6.0))


def test_a_step_that_leaves_another_grid_than_it_says_fails_the_trial() -> None:
    assert not trial_pass(_halving())
    (problem,) = trial_pass(_halving(lies=True))
    assert f"of the package {PACKAGE}" in problem.what
    assert "as its `grid_after` says" in problem.expected


def test_a_step_says_where_it_limits_intensities_and_that_it_needs_contrast(tmp_path: Path) -> None:
    study = _halving(low=-100, high=300)
    assert clip_window(study) == (-100, 300)
    manifest = write_segmentation_cohort(tmp_path, cases=2, shape=(20, 18, 16))
    cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
    inspect_cohort(study, cohort, Depth.VOXELS)
    _flatten(cohort.cases[0].channels[0])
    with pytest.raises(InputError, match="no contrast, so it cannot be normalised"):
        inspect_cohort(study, cohort, Depth.VOXELS)


def _flatten(path: Path) -> None:
    import nibabel

    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(np.ones(image.shape, np.float32), image.affine), path)  # type: ignore[attr-defined]


SIDES, SPACINGS = st.integers(1, 500), st.floats(0.1, 20)


@given(st.lists(st.tuples(SIDES, SPACINGS, SPACINGS), min_size=2, max_size=3))
def test_a_grid_at_another_spacing_has_as_many_voxels_as_fit(
    axes: list[tuple[int, float, float]],
) -> None:
    shape, old, new = (tuple(axis) for axis in zip(*axes, strict=True))
    grid = Grid(shape, old)
    after = grid.at_spacing(new)
    for size, before, count, step in zip(shape, old, after.shape, after.spacing, strict=True):
        assert count >= 1
        assert count == 1 or math.isclose(count * step, size * before, abs_tol=step / 2 + 1e-9)
    assert after.at_spacing(new) == after


@given(st.lists(st.tuples(SIDES, SPACINGS, SIDES), min_size=2, max_size=3))
def test_a_grid_of_another_size_has_the_same_extent(axes: list[tuple[int, float, int]]) -> None:
    shape, spacing, size = (tuple(axis) for axis in zip(*axes, strict=True))
    after = Grid(shape, spacing).of_size(size)
    assert after.shape == size
    extents = zip(shape, spacing, after.shape, after.spacing, strict=True)
    assert all(math.isclose(count * step, new * mm, rel_tol=1e-9) for count, step, new, mm in extents)
    assert Grid(shape, spacing).of_size(shape) == Grid(shape, spacing)

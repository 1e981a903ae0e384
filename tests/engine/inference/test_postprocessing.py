"""Post-processing against SimpleITK, scikit-image and slow oracles; and what a study may not say of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from skimage.measure import label as numbered
from skimage.morphology import remove_small_objects

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.inference import components, structures
from wardround.engine.inference.postprocessing import postprocessed, require_labels
from wardround.engine.parts import BreachError
from wardround.engine.study import Study

SPACINGS = {2: (1.0, 0.5), 3: (1.0, 0.5, 2.0)}


def _study(*steps: Any, **sections: Any) -> Study:
    return study_of(changed(SEGMENTATION, inference={"postprocessing": [*steps]}, **sections))


def _after(labels: np.ndarray, *steps: Any, spacing: tuple[float, ...] | None = None, **sections: Any) -> np.ndarray:
    study = _study(*steps, **sections)
    return postprocessed(study, study.inference.postprocessing, labels, spacing or (1.0,) * labels.ndim)


def _some(axes: int, share: float = 0.55, classes: int = 2) -> np.ndarray:
    shape = (17, 14, 9)[:axes]
    generator = np.random.default_rng(axes)
    return np.where(generator.random(shape) < share, generator.integers(1, classes, shape), 0).astype(np.uint8)


def test_without_steps_a_mask_is_what_it_was() -> None:
    labels = _some(3)
    assert postprocessed(_study(), (), labels, (1, 1, 1)) is labels


@pytest.mark.parametrize("axes", [2, 3])
def test_holes_are_those_that_itk_fills(axes: int) -> None:
    labels = _some(axes, share=0.8)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(labels), foregroundValue=1))
    assert (filled != labels).any()
    assert np.array_equal(_after(labels, "fill_holes"), filled)


def test_only_holes_up_to_a_size_are_filled_and_only_with_what_encloses_them() -> None:
    labels = np.ones((12, 12), np.uint8)
    labels[2, 2] = labels[5:7, 5:7] = 0
    labels[9, 0] = 0  # at the border: no hole
    labels[2, 6] = 2  # another structure in a hole of its own
    after = _after(labels, {"fill_holes": {"largest": 1.0}}, spacing=(1.0, 0.5))
    assert (after[2, 2], after[5, 5], after[9, 0], after[2, 6]) == (1, 0, 0, 2)
    assert _after(labels, "fill_holes")[5:7, 5:7].all()
    assert not _after(labels, {"fill_holes": {"classes": ["right"]}})[2, 2]


@pytest.mark.parametrize(("axes", "connectivity"), [*itertools.product([2, 3], ["faces", "corners"])])
def test_the_largest_components_are_those_that_itk_sorts_first(axes: int, connectivity: str) -> None:
    labels = _some(axes, share=0.3 / (axes - 1))
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(labels), connectivity == "corners")
    largest = sitk.GetArrayFromImage(sitk.RelabelComponent(image, sortByObjectSize=True))
    for keep in (1, 2):
        step = {"largest_component": {"keep": keep, "connectivity": connectivity}}
        after = _after(labels, step)
        sizes = np.bincount(largest.ravel())[1:]
        assert int(after.sum()) == int(np.sort(sizes)[::-1][:keep].sum()) < int(labels.sum())
        assert not after[labels == 0].any()


def test_of_equal_components_the_first_stays() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[1, 1] = labels[7, 7] = labels[4, 4] = 1
    assert np.argwhere(_after(labels, "largest_component")).tolist() == [[1, 1]]
    assert np.argwhere(_after(labels, {"largest_component": 2})).tolist() == [[1, 1], [4, 4]]


def test_each_class_has_its_own_largest_component_unless_all_are_taken_together() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[0:4, 0:4], labels[4, 0:4] = 1, 2
    labels[8, 4:10] = 2
    each = _after(labels, "largest_component")
    assert (each[4, 0], each[8, 5], each[0, 0]) == (0, 2, 1)
    together = _after(labels, {"largest_component": {"of": "foreground"}})
    assert (together[4, 0], together[8, 5], together[0, 0]) == (2, 0, 1)


@pytest.mark.parametrize("axes", [2, 3])
def test_small_components_are_those_that_scikit_image_removes(axes: int) -> None:
    labels, least = _some(axes, share=0.24 / (axes - 1)), 3
    expected = remove_small_objects(labels.astype(bool), max_size=least - 1, connectivity=axes)
    assert 0 < expected.sum() < labels.sum()
    assert np.array_equal(_after(labels, {"remove_small": {"least": least, "unit": "voxels"}}), expected)
    voxel = float(np.prod(SPACINGS[axes]))
    in_mm = {"remove_small": {"least": least * voxel}}
    assert np.array_equal(_after(labels, in_mm, spacing=SPACINGS[axes]), expected)


def test_components_beyond_the_largest_size_are_removed() -> None:
    labels = _some(2, share=0.3)
    numbers = numbered(labels, connectivity=1)
    sizes = np.bincount(numbers.ravel())
    expected = (numbers > 0) & (sizes[numbers] <= 3)
    step = {"remove_small": {"least": None, "most": 3, "unit": "voxels", "connectivity": "faces"}}
    assert np.array_equal(_after(labels, step), expected)


def _ball_slowly(labels: np.ndarray, spacing: tuple[float, ...], radius: float, grow: bool) -> np.ndarray:
    """Each voxel by all others within the radius."""
    places = np.argwhere(np.ones(labels.shape))
    values = labels.reshape(-1).astype(bool)
    apart = np.linalg.norm((places[:, None] - places[None]) * spacing, axis=-1) <= radius + 1e-9
    reduced = (apart & values).any(axis=1) if grow else (~apart | values).all(axis=1)
    return np.asarray(reduced.reshape(labels.shape))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("radius", [0.4, 1.0, 1.2, 2.0])
def test_morphology_is_by_a_ball_in_mm(axes: int, radius: float) -> None:
    labels, spacing = _some(axes)[(slice(0, 9),) * axes], SPACINGS[axes]
    labels = labels if radius < 2 else np.ones_like(labels)
    labels[(3,) * axes] = 0
    grown = _ball_slowly(labels, spacing, radius, grow=True)
    shrunk = _ball_slowly(labels, spacing, radius, grow=False)
    expected = {
        "dilation": grown,
        "erosion": shrunk,
        "opening": _ball_slowly(shrunk, spacing, radius, grow=True),
        "closing": _ball_slowly(grown, spacing, radius, grow=False),
    }
    for operation, wanted in expected.items():
        step = {"morphology": {"operation": operation, "radius": radius}}
        assert np.array_equal(_after(labels, step, spacing=spacing), wanted), operation


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize(
    "step",
    [
        {"fill_holes": {"largest": 3.0}},
        {"largest_component": {"keep": 2}},
        {"largest_component": {"of": "foreground"}},
        {"remove_small": {"least": 4.0}},
        {"keep_touching": {"other": "left", "connectivity": "faces"}},
        *({"morphology": {"operation": each, "radius": 1.7}} for each in ("opening", "closing", "dilation", "erosion")),
    ],
    ids=str,
)
def test_the_box_about_a_structure_is_all_that_a_step_has_to_see(
    step: Any, axes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        generator = np.random.default_rng(seed)
        labels = np.zeros((19, 16, 13)[:axes], np.uint8)
        corners = zip(generator.integers(0, 6, axes), generator.integers(8, 13, axes), strict=True)
        part = labels[tuple(slice(*ends) for ends in corners)]
        part[...] = np.where(generator.random(part.shape) < 0.6, generator.integers(1, 3, part.shape), 0)
        boxed = _after(labels, step, spacing=SPACINGS[axes])
        with monkeypatch.context() as patched:
            for module in (structures, components):
                patched.setattr(module, "box_about", lambda voxels, margins: (slice(None),) * voxels.ndim)
            assert np.array_equal(boxed, _after(labels, step, spacing=SPACINGS[axes]))


def test_a_step_is_shown_no_more_than_it_has_to_see() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[9:12, 30:39] = 1
    shown: list[tuple[int, ...]] = []

    def change(voxels: np.ndarray, spacing: Any) -> np.ndarray:
        shown.append(voxels.shape)
        return voxels

    (left, _) = structures.structures_of(_study())
    structures.changed(labels, [left], (1.0, 0.5), change)
    structures.changed(labels, [left], (1.0, 0.5), change, reach=1.2)
    assert shown == [(3, 9), (3 + 6, 9 + 4 + 1)]


def test_a_structure_grows_into_background_alone() -> None:
    labels = np.zeros((7, 7), np.uint8)
    labels[3, 2], labels[3, 3] = 1, 2
    after = _after(labels, {"morphology": {"operation": "dilation", "classes": ["left"]}})
    assert after[3].tolist() == [0, 1, 1, 2, 0, 0, 0]
    assert after[2, 2] == after[4, 2] == 1


def test_classes_are_exchanged_and_dropped() -> None:
    labels = np.array([[0, 1, 2]], np.uint8)
    assert _after(labels, {"map_labels": {"mapping": {"left": "right", "right": "left"}}}).tolist() == [[0, 2, 1]]
    assert _after(labels, {"map_labels": {"mapping": {"left": "background"}}}).tolist() == [[0, 0, 2]]


def test_only_components_that_touch_another_structure_are_kept() -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[1:3, 1:3], labels[3, 3], labels[6, 6] = 1, 2, 2
    assert np.argwhere(_after(labels, {"keep_touching": "left"}) == 2).tolist() == [[3, 3]]
    assert not (_after(labels, {"keep_touching": {"other": "left", "connectivity": "faces"}}) == 2).any()
    assert not _after(np.full_like(labels, 2), {"keep_touching": "left"}).any(), "there is nothing to touch"


def test_steps_are_applied_in_the_order_of_the_study() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[1:6, 1:6] = 1
    labels[3, 3] = 0
    wide, small = {"fill_holes": {}}, {"morphology": {"operation": "erosion", "radius": 1.0}}
    assert int(_after(labels, wide, small).sum()) == 9
    assert int(_after(labels, small, wide).sum()) < 9


def test_regions_lose_to_the_background_and_grow_by_the_class_that_is_painted() -> None:
    sections = {"classes": None, "regions": {"whole": [1, 2], "core": 2}}
    labels = np.zeros((12, 12), np.uint8)
    labels[1:6, 1:6], labels[2:5, 2:5] = 1, 2
    labels[3, 3] = 0
    labels[8, 8] = 2
    study = _study("fill_holes", {"largest_component": {"classes": ["whole"]}}, **sections)
    after = postprocessed(study, study.inference.postprocessing, labels, (1.0, 1.0))
    assert after[8, 8] == 0
    assert after[3, 3] == 1, "the hole was the whole's first, the larger region"


FLAWS = [
    ({"fill_holes": {"classes": ["lefft"]}}, "Did you mean 'left'?"),
    ({"fill_holes": {"classes": ["left", "left"]}}, "stands twice"),
    ({"fill_holes": {"classes": ["background"]}}, "no 'background'"),
    ({"fill_holes": {"largest": 0}}, "largest"),
    ({"largest_component": 0}, "from 1 to 10,000"),
    ({"remove_small": {"least": None}}, "no size is too small"),
    ({"remove_small": {"least": 5, "most": 5}}, "`least` is not below `most`"),
    ({"morphology": {"operation": "opning"}}, "opening"),
    ({"morphology": "closing", "radius": -1}, "radius"),
    ({"map_labels": {"mapping": {"left": "left"}}}, "mapped to itself"),
    ({"map_labels": {"mapping": {"left": "rihgt"}}}, "Did you mean 'right'?"),
    ({"map_labels": {"mapping": {"left": "right"}, "classes": ["left"]}}, "Take `classes` out"),
    ({"keep_touching": "lung"}, "no 'lung'"),
    ({"keep_touching": {"other": "left", "classes": ["left"]}}, "touches itself"),
    ("fil_holes", "Did you mean 'fill_holes'?"),
    ({"fill_holes": {"when": "sometimes"}}, "helps"),
]


@pytest.mark.parametrize(("step", "said"), FLAWS, ids=str)
def test_what_cannot_be_meant_is_told(step: Any, said: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  pydantic's, which the loader turns into words
        _study(step)
    from wardround.engine.study.located_problems import flaws_of

    told = " ".join(f"{flaw.what} {flaw.got} {flaw.expected} {flaw.way_out}" for flaw in flaws_of(caught.value, Study))
    assert said in told


def test_a_table_has_no_masks_to_change() -> None:
    from tests.support.studies import CLASSIFICATION

    with pytest.raises(Exception, match="segmentation"):
        study_of(changed(CLASSIFICATION, inference={"postprocessing": ["fill_holes"]}))


def test_a_study_without_steps_has_the_digest_that_it_had() -> None:
    assert study_of(changed(SEGMENTATION, inference={})).digest == _study().digest
    assert _study("fill_holes").digest != _study().digest


@pytest.mark.parametrize(
    "odd", [np.full((4, 4), 9, np.uint8), np.zeros((4, 4), np.float32), np.zeros((4, 3), np.uint8), [[0]]]
)
def test_a_step_that_gives_no_mask_of_the_study_is_told(odd: Any) -> None:
    with pytest.raises(BreachError):
        require_labels(_study(), np.zeros((4, 4), np.uint8), odd)

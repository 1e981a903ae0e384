"""Images that are to be made go where the image goes, and keep their intensities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.engine.experiments.made import made_study
from tests.support.images import oblique_geometry
from wardround.engine.imaging.image import Image
from wardround.engine.parts import BreachError
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.steps import ClipStep
from wardround.engine.study import Study

SHAPE = (14, 12, 10)
MOVING: tuple[Any, ...] = (
    {"orient": "RAS"},
    {"resample": [1.5, 1.0, 2.5]},
    {"resize": {"size": [16, 8, 10]}},
    {"crop": {"before": [1, 2, 0], "after": [0, 1, 3]}},
    {"center_crop": [8, 8, 8]},
    {"crop_foreground": {"above": 0.999}},
    {"pad": {"size": [16, 16, 16], "padding": "minimum"}},
    {"pad_to_multiple": {"multiple": 8, "padding": "minimum"}},
)
CHANGING: tuple[Any, ...] = ({"z_normalize": "all"}, "rescale", {"clip": {"low": 0.2, "high": 0.8}})


def _study(step: Any) -> Study:
    return made_study(
        preprocessing=[step],
        patches={"size": [8, 8, 8]},
        model={"name": "unet", "dimensions": 3, "filters": 4, "levels": 2},
    )


def _sample() -> Sample:
    values = np.random.default_rng(0).uniform(size=(1, *SHAPE)).astype(np.float32)
    return Sample(Image(values, oblique_geometry(SHAPE)), None, wanted=np.concatenate([values, 1000 + 2 * values]))


@pytest.mark.parametrize("step", MOVING, ids=str)
def test_what_moves_an_image_moves_the_images_to_be_made_alike(step: Any) -> None:
    before = _sample()
    after = Pipeline(_study(step)).apply(before)
    assert after.wanted is not None
    assert after.image.data.shape != before.image.data.shape or not np.array_equal(after.image.data, before.image.data)
    np.testing.assert_array_equal(after.wanted[0], after.image.data[0])
    np.testing.assert_allclose(after.wanted[1], 1000 + 2 * after.image.data[0], atol=1e-3)


@pytest.mark.parametrize("step", CHANGING, ids=str)
def test_what_changes_intensities_leaves_them_alone(step: Any) -> None:
    before = _sample()
    after = Pipeline(_study(step)).apply(before)
    assert not np.array_equal(after.image.data, before.image.data)
    np.testing.assert_array_equal(after.wanted, before.wanted)


def test_a_step_may_not_lose_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipStep, "apply", lambda self, sample: replace(sample, wanted=None))
    with pytest.raises(BreachError, match="no images that are to be made"):
        Pipeline(_study(CHANGING[-1])).apply(_sample())

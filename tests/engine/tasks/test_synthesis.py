"""Synthesis: outputs are in units of the training cases' spread, predictions in those of the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.engine.experiments.made import made_cohort, made_study
from wardround.engine.augmentation import Augmentation
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments import Workbench
from wardround.engine.metrics.images import SSIMMetric
from wardround.engine.parts.metrics.images import StructuralSimilarity
from wardround.engine.preprocessing.fitted import FittedState, Scale
from wardround.engine.sampling import PatchSource
from wardround.engine.store.case import StoredCase
from wardround.engine.tasks.synthesis import SynthesisTask

CPU = torch.device("cpu")
STATE = FittedState(cases=3, truth=(Scale(mean=500.0, deviation=50.0),))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> StoredCase:
    folder = tmp_path_factory.mktemp("made")
    manifest = made_cohort(folder / "data", cases=6)
    stored = Workbench.open(made_study(preprocessing=[]), manifest, folder, device="cpu", threads=1).train_cases[0]
    image, wanted, grid = stored.image, stored.wanted_image, stored.geometry
    return StoredCase(stored.digest, image, None, {}, grid, grid, None, Path(), wanted_image=wanted)


class _Linear(nn.Module):
    """What the cohort's truth is: 1000 minus four times the image, in units of 50 about 500."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (1000 - 4 * images - 500) / 50


def test_a_network_that_knows_the_rule_makes_the_truth_whatever_windows_do(case: StoredCase) -> None:
    study = made_study(preprocessing=[], validation={"metrics": ["mae", "ssim", "psnr"], "select": "mae"})
    task = SynthesisTask(study, STATE)
    made = task.predict(_Linear(), case, CPU).values
    assert made.dtype == np.float32
    assert case.wanted_image is not None
    np.testing.assert_allclose(made, case.wanted_image, rtol=1e-5)
    scores = task.evaluate(_Linear(), [case], ["a"], CPU).cases[0].scores
    assert scores["mae"] == pytest.approx(0, abs=1e-2)
    assert scores["loss"] == pytest.approx(0, abs=1e-3)
    assert scores["ssim"] == pytest.approx(1, abs=1e-4)
    assert scores["psnr"] > 80


def test_losses_are_in_units_of_the_spread_and_scores_in_those_of_the_files(case: StoredCase) -> None:
    class Off(_Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) + 2

    task = SynthesisTask(made_study(preprocessing=[]), STATE)
    scores = task.evaluate(Off(), [case], ["a"], CPU).cases[0].scores
    assert scores["loss"] == pytest.approx(2, rel=1e-5)
    assert scores["mae"] == pytest.approx(100, rel=1e-5)
    assert scores["ncc"] == pytest.approx(1, rel=1e-6)


def test_every_motion_of_augmentation_moves_truth_and_image_alike(case: StoredCase) -> None:
    """With linear interpolation what is a linear function of the image stays one, also where something comes in."""
    transforms = [
        {"flip": {"axes": [0], "probability": 1}},
        {"rotate_90": {"probability": 1}},
        {"spatial": {"rotation": 40, "scale": [0.6, 0.7], "elastic": 1.0, "probability": 1}},
    ]
    study = made_study(preprocessing=[], augmentation=transforms, patches={"size": [40, 40], "padding": "minimum"})
    top = replace(case, wanted_image=np.asarray(4 * case.image + 300, dtype=np.float32))
    batch = PatchSource(study, [top]).batch(0)
    assert batch.surroundings[0].beyond == pytest.approx([4 * case.image.min() + 300])
    torch.testing.assert_close(batch.truth["image"], 4 * batch.image + 300, rtol=1e-5, atol=1e-3)
    after = Augmentation(study)(batch)
    assert not torch.equal(after.image, batch.image)
    torch.testing.assert_close(after.truth["image"], 4 * after.image + 300, rtol=1e-5, atol=1e-2)


def test_a_case_without_truth_is_not_scored(case: StoredCase) -> None:
    with pytest.raises(InputError, match="the case has no image to be made to compare with"):
        SynthesisTask(made_study(), STATE).evaluate(_Linear(), [replace(case, wanted_image=None)], ["a"], CPU)


def test_of_thin_images_structural_similarity_is_undefined_and_left_out() -> None:
    image = np.random.default_rng(0).normal(size=(1, 20, 8))
    assert SSIMMetric(StructuralSimilarity()).scores(image, image, (1.0, 1.0), ("made",)) == {}

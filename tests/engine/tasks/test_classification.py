"""Classification: the whole image as one patch, batches that change nothing, flips that are averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.engine.tasks.cases import CLASSIFICATION, stored_case, study
from wardround.engine.imaging import ArrayReadable
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.store.case import StoredCase
from wardround.engine.tasks import build_task
from wardround.engine.tasks.whole import centred

CPU = torch.device("cpu")


class TopHalf(nn.Module):
    """The logit of the second class is the mean of the upper half."""

    def forward(self, images: Tensor) -> Tensor:
        """(samples, 1, *size) to (samples, 2)."""
        upper = images[:, 0, : images.shape[2] // 2].flatten(1).mean(1)
        return torch.stack([torch.zeros_like(upper), upper], 1)


def test_batches_equal_cases_one_by_one() -> None:
    task = build_task(study(CLASSIFICATION, inference={"batch_size": 4}))
    network, cases = task.network(), [stored_case(seed) for seed in range(7)]
    together = task.evaluate(network, cases, [str(seed) for seed in range(7)], CPU)
    for case, scored in zip(cases, together.cases, strict=True):
        alone = task.predict(network, case, CPU)
        assert alone.values.shape == (2,)
        assert alone.values.sum() == pytest.approx(1)
        assert scored.scores["accuracy"] == float(alone.labels == case.target)
        assert scored.scores["loss"] == pytest.approx(-np.log(alone.values[case.target]), rel=1e-3, abs=1e-5)


def test_the_summary_has_the_cohorts_auc() -> None:
    task = build_task(study(CLASSIFICATION))
    cases = [stored_case(seed) for seed in range(6)]
    for case in cases:
        case.image[:] = 1.0 if case.target == 1 else -1.0
    summary = task.evaluate(TopHalf(), cases, list("abcdef"), CPU).summary
    assert (summary["auc"].value, summary["accuracy"].value) == (1.0, 1.0)
    one_class = task.evaluate(TopHalf(), cases[::2], list("ace"), CPU).summary
    assert "auc" not in one_class


def mirrored_prediction(case: StoredCase, *axes: int) -> np.ndarray:
    """Probabilities where augmentation flips these axes."""
    mirroring = study(CLASSIFICATION, augmentation=[{"flip": list(axes)}], inference={"mirror": True})
    return build_task(mirroring).predict(TopHalf(), case, CPU).values


def test_mirroring_averages_probabilities_over_the_flips_of_augmentation() -> None:
    case = stored_case(3)
    plain = build_task(study(CLASSIFICATION)).predict(TopHalf(), case, CPU).values
    mirrored = mirrored_prediction(case, 0)
    upper, lower = case.image[0, :8].mean(), case.image[0, 8:].mean()
    assert plain[1] == pytest.approx(1 / (1 + np.exp(-upper)), rel=1e-5)
    assert mirrored[1] == pytest.approx(np.mean([1 / (1 + np.exp(-upper)), 1 / (1 + np.exp(-lower))]), rel=1e-5)
    np.testing.assert_allclose(mirrored_prediction(case, 1), plain, rtol=1e-5)


@pytest.mark.parametrize(("size", "side"), [(5, 8), (8, 8), (11, 8), (4, 7), (9, 4)])
def test_images_are_cropped_or_padded_about_their_centre(size: int, side: int) -> None:
    image = np.arange(1, size + 1, dtype=np.float64)[None, :, None].repeat(6, axis=2)
    found = centred(ArrayReadable.of(image, plain_geometry((size, 6))), (side, 6))
    assert found.shape == (1, side, 6)
    assert found.dtype == np.float32
    column = found[0, :, 0]
    inside = column[column > 0]
    before, after = int(inside[0]) - 1, size - int(inside[-1])
    padded_before, padded_after = int(np.argmax(column > 0)), int(np.argmax(column[::-1] > 0))
    assert (np.diff(inside) == 1).all()
    assert len(inside) == min(size, side)
    assert abs(before - after) <= 1
    assert abs(padded_before - padded_after) <= 1


def test_a_fitted_image_is_padded_with_the_value_of_its_channel() -> None:
    found = centred(ArrayReadable.of(np.ones((2, 3, 6), np.float32), plain_geometry((3, 6))), (5, 6), (-4.0, 7.0))
    assert found[:, :, 0].tolist() == [[-4, 1, 1, 1, -4], [7, 1, 1, 1, 7]]


def test_a_case_of_another_size_is_fitted() -> None:
    task = build_task(study(CLASSIFICATION))
    assert task.predict(task.network(), stored_case(0, (27, 9)), CPU).values.shape == (2,)

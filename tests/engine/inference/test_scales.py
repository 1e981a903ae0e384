"""Predictions averaged over windows of several sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.engine.tasks.cases import CLASSIFICATION, SEGMENTATION, stored_case, study
from tests.support.studies import TABLE
from wardround.engine.inference import Predictor, quick, scaled
from wardround.engine.study.sections import Inference
from wardround.engine.tasks import build_task

CPU = torch.device("cpu")
SCALES = (0.7, 1.0, 1.3)


def ramp(*shape: int) -> Tensor:
    """(1, 1, *shape): values that grow evenly along every axis."""
    axes = torch.meshgrid(*(torch.arange(float(side)) for side in shape), indexing="ij")
    whole = sum((10.0**place * axis for place, axis in enumerate(axes)), torch.zeros(shape))
    return whole[None, None]


def watched(seen: list[tuple[int, ...]]) -> Predictor:
    """The image itself; sizes of windows are noted."""

    def predict(windows: Tensor) -> Tensor:
        seen.append(tuple(windows.shape[2:]))
        return windows

    return predict


@pytest.mark.parametrize("shape", [(16, 24), (8, 16, 12)])
def test_a_constant_model_says_the_same_everywhere(shape: tuple[int, ...]) -> None:
    said = scaled(lambda windows: torch.full((len(windows), 2, *windows.shape[2:]), 0.3), SCALES, (4,) * len(shape))
    torch.testing.assert_close(said(torch.rand(3, 1, *shape)), torch.full((3, 2, *shape), 0.3))


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.3, 1.5])
@pytest.mark.parametrize("shape", [(16, 24), (8, 16, 12)])
def test_what_is_said_lies_where_it_was_seen(scale: float, shape: tuple[int, ...]) -> None:
    """A linear image is not changed by linear interpolation, but at its border: half a voxel's shift would be seen."""
    image = ramp(*shape)
    found = scaled(lambda windows: windows, [scale], (4,) * len(shape))(image)
    inner = (..., *(slice(3, -3) for _ in shape))
    torch.testing.assert_close(found[inner], image[inner], rtol=1e-4, atol=1e-3)


def test_a_network_gets_whole_multiples_and_never_less_than_a_window() -> None:
    seen: list[tuple[int, ...]] = []
    scaled(watched(seen), SCALES, (8, 16))(torch.rand(1, 1, 32, 16))
    assert seen == [(32, 16), (32, 16), (48, 32)]


def test_the_mean_is_that_of_each_scale_alone() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 2, 3, padding=1).requires_grad_(False)
    windows = torch.rand(2, 1, 16, 16)
    alone = [scaled(network, [scale], (1, 1))(windows) for scale in SCALES]
    torch.testing.assert_close(scaled(network, SCALES, (1, 1))(windows), torch.stack(alone).mean(0))
    assert not torch.allclose(alone[0], alone[1])


def test_vectors_are_averaged_as_they_are() -> None:
    windows = torch.full((2, 1, 8, 8), 3.0)
    said = scaled(lambda seen: seen.mean((2, 3)) + seen.shape[2], (1.0, 1.5), (4, 4))(windows)
    assert said.tolist() == [[3 + (8 + 12) / 2]] * 2


def test_one_scale_of_1_is_none() -> None:
    network = torch.nn.Identity()
    assert scaled(network, (1.0,), (1, 1)) is network
    assert scaled(network, (), (1, 1)) is network


@pytest.mark.parametrize("content", [SEGMENTATION, CLASSIFICATION])
def test_a_task_predicts_at_all_scales(content: dict[str, object]) -> None:
    settings: dict[str, dict[str, object]] = {"none": {}, "one": {"scales": [1.0]}, "all": {"scales": [0.8, 1.2]}}
    settings["mirror"] = {"scales": [0.8, 1.2], "mirror": True}
    tasks = {name: build_task(study(content, inference=each)) for name, each in settings.items()}
    network = tasks["none"].network()
    case = stored_case(1, (21, 18))
    found = {name: task.predict(network, case, CPU).values for name, task in tasks.items()}
    np.testing.assert_array_equal(found["none"], found["one"])
    assert np.abs(found["all"] - found["none"]).max() > 1e-6
    assert found["all"].shape == found["mirror"].shape == found["none"].shape
    np.testing.assert_allclose(found["all"].sum(0), 1, rtol=1e-5)


def test_a_study_without_scales_is_what_it_was_and_quick_has_none() -> None:
    assert "scales" not in study(SEGMENTATION).model_dump()["inference"]
    assert quick(Inference(scales=(0.9, 1.1))).scales == ()


@pytest.mark.parametrize("scales", [[0.1], [2.0], [1.0, 1.0], ["x"], [0.6 + 0.05 * step for step in range(10)]])
def test_scales_that_make_no_sense_are_refused(scales: list[object]) -> None:
    with pytest.raises(ValueError, match="scales"):
        study(SEGMENTATION, inference={"scales": scales})


def test_a_table_has_no_scales() -> None:
    with pytest.raises(ValueError, match="without images"):
        study(TABLE, inference={"scales": [0.9]})

"""Labels on the grid of the file, class by class and by planes, are those of the whole volume of probabilities."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.tasks.cases import SEGMENTATION, study
from wardround.engine.experiments import combining
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.imaging.image import Geometry
from wardround.engine.inference import volumes
from wardround.engine.preprocessing.native import to_native
from wardround.engine.store.case import StoredCase
from wardround.engine.tasks import build_task

CPU = torch.device("cpu")


def _model(dimensions: int, classes: int) -> TrainedModel:
    model = {"name": "unet", "dimensions": dimensions, "filters": 2, "levels": 2}
    names = {f"organ{index}": index for index in range(1, classes)}
    metrics = {"metrics": ["dice"], "select": "dice"}
    content: dict[str, Any] = {"patches": {"size": [8] * dimensions}, "model": model, "classes": names}
    wanted = study(SEGMENTATION, validation=metrics, **content)
    task = build_task(wanted)
    return TrainedModel(wanted, task, task.network(), CPU)


def _directions(random: np.random.Generator, dimensions: int) -> np.ndarray:
    """Axes in another order, some backwards, turned by a few degrees."""
    axes = np.eye(dimensions)[random.permutation(dimensions)] * random.choice([-1, 1], dimensions)[:, None]
    turn, angle = np.eye(dimensions), random.choice([0.0, 0.2])
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return np.asarray(turn @ axes)


def _case(random: np.random.Generator, dimensions: int, shape: list[int], other: list[int]) -> StoredCase:
    """A stored case whose file has another grid over about the same place."""
    image = random.normal(0, 1, (1, *shape[:dimensions])).astype(np.float32)
    ours = Geometry(tuple(shape[:dimensions]), (1.0,) * dimensions, (0.0,) * dimensions, _flat(np.eye(dimensions)))
    directions = _directions(random, dimensions)
    spacing = tuple(max(shape) / side for side in other[:dimensions])
    centre = (np.asarray(ours.shape) - 1) / 2
    origin = centre - directions @ ((np.asarray(other[:dimensions]) - 1) / 2 * spacing)
    native = Geometry(tuple(other[:dimensions]), spacing, tuple(origin.tolist()), _flat(directions))
    return StoredCase("", image, None, {}, ours, native, 0, Path())


def _flat(directions: np.ndarray) -> tuple[float, ...]:
    return tuple((directions + 0.0).ravel().tolist())


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([2, 3]),
    st.sampled_from([2, 7]),
    st.lists(st.integers(1, 20), min_size=3, max_size=3),
    st.lists(st.integers(1, 20), min_size=3, max_size=3),
    st.integers(0, 99),
    st.booleans(),
)
def test_labels_by_planes_are_those_of_the_whole(
    dimensions: int, classes: int, shape: list[int], other: list[int], seed: int, filed: bool
) -> None:
    model, case = _model(dimensions, classes), _case(np.random.default_rng(seed), dimensions, shape, other)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(volumes, "HELD", 0 if filed else 1 << 30)
        found = combining.native_labels_of(model, case)
    whole = model.task.predict(model.network, case, CPU).values
    expected = to_native(whole, case.geometry, case.native, "probabilities").argmax(axis=0)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8

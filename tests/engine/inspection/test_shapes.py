"""The grid that is foretold from a header is the one that preprocessing makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.parts import Kind, Parameters, Part, Registry, builtin_and_plugins
from wardround.engine.preprocessing import Pipeline, Sample

SIDES = st.integers(2, 9)
SPACINGS = st.sampled_from([0.5, 0.8, 1.0, 1.7, 3.0])
LETTERS = st.permutations([("R", "L"), ("A", "P"), ("S", "I")])


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    axes = "".join(draw(st.sampled_from(pair)) for pair in draw(LETTERS))
    known = [
        {"orient": axes},
        {"resample": {"spacing": [draw(SPACINGS) for _ in range(3)]}},
        {"resize": {"size": [draw(SIDES) for _ in range(3)]}},
        {"resample_axis": {"axis": draw(st.integers(0, 2)), "spacing": draw(SPACINGS)}},
        {"resample_min": {"spacing": draw(st.none() | SPACINGS)}},
        {"clip": {"low": 0, "high": 1}},
        {"rescale": {}},
    ]
    return draw(st.lists(st.sampled_from(known), max_size=4))


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    turn = np.linalg.qr(np.random.default_rng(draw(st.integers(0, 999))).normal(size=(3, 3)))[0]
    sides, spacings = (tuple(draw(values) for _ in range(3)) for values in (SIDES, SPACINGS))
    return Geometry(sides, spacings, (5.0, -3.0, 1.0), tuple(turn.ravel().tolist()))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(steps(), grids())
def test_the_foretold_grid_is_the_one_that_is_made(preprocessing: list[dict[str, Any]], grid: Geometry) -> None:
    study = study_of(changed(SEGMENTATION, preprocessing=preprocessing))
    data = np.random.default_rng(0).random((1, *grid.shape), dtype=np.float32)
    data.ravel()[:2] = 0, 1
    made = Pipeline(study).apply(Sample(Image(data, grid), None)).image
    foretold = preprocessed_grid(study, grid)
    assert foretold is not None
    assert foretold.shape == made.geometry.shape == made.data.shape[1:]
    assert foretold.spacing == pytest.approx(made.geometry.spacing, rel=1e-6)
    assert foretold.origin == pytest.approx(made.geometry.origin, abs=1e-6)


class Crop(Parameters):
    """A step of another package."""


def test_of_a_step_of_another_package_nothing_is_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(Kind.PREPROCESSING, "trim", Crop, "x:y")
    registry = Registry([*builtin_and_plugins().parts(), part])
    monkeypatch.setattr("wardround.engine.study.part_names.builtin_and_plugins", lambda: registry)
    study = study_of(changed(SEGMENTATION, preprocessing=["trim", "orient"]))
    grid = Geometry((4, 4, 4), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    assert preprocessed_grid(study, grid) is None

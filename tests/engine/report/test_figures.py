"""Figures are pictures, equal for equal data, and look where the foreground is."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.engine.experiments.cohorts import flat_study, halves_study
from wardround.engine.report.figures import Overlay, curves, middle_slices, overlays, spread, volume_overlays
from wardround.engine.report.patches import patch_montage
from wardround.engine.sampling import Batch, SampleKey


def _size(png: bytes) -> tuple[int, int]:
    with Pillow.open(io.BytesIO(png)) as picture:
        picture.load()
        return picture.size


def test_curves_are_repeatable() -> None:
    panels = {"loss": {"training": [(1.0, 2.0), (2.0, 1.0)]}, "rate": {"rate": [(1.0, 0.1)]}, "none": {}}
    assert curves(panels) == curves(panels)
    assert _size(curves(panels))[0] > 3 * _size(curves(panels))[1]


def test_spreads_take_any_number_of_points() -> None:
    assert _size(spread({"one": [0.5], "many": [0.1, 0.2, 0.9]}, "dice"))


def test_slices_go_through_most_of_the_foreground() -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[4, 2:5, 6] = 1
    names = [name for name, _ in middle_slices(np.zeros(labels.shape, np.float32), labels)]
    assert names == ["x = 4", "y = 2", "z = 6"]
    empty = [name for name, _ in middle_slices(np.zeros(labels.shape, np.float32), np.zeros_like(labels))]
    assert empty == ["x = 3", "y = 3", "z = 4"]


@pytest.mark.parametrize(("shape", "views"), [((20, 24), 1), ((10, 12, 8), 3)])
def test_overlays_of_pictures_and_volumes(shape: tuple[int, ...], views: int) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(shape) > 0.7).astype(np.uint8)
    items = volume_overlays("a <b>", rng.random(shape).astype(np.float32), {"truth": truth, "prediction": 1 - truth})
    assert len(items) == views
    assert _size(overlays(items, ["background", "x"]))


def test_odd_pictures_do_not_break_a_figure() -> None:
    constant = Overlay("constant", np.ones((5, 5), np.float32), {"truth": np.ones((5, 5), np.int64)})
    thin = Overlay("thin", np.ones((1, 9), np.float32), {"truth": np.eye(1, 9, dtype=np.int64)})
    assert _size(overlays([constant, thin], ["background", "x"]))


def test_montages_show_masks_and_classes() -> None:
    keys = (SampleKey("a" * 64, 0), SampleKey("b" * 64, 1))
    image, label = torch.randn(2, 1, 16, 16), torch.randint(0, 2, (2, 16, 16))
    assert _size(patch_montage(flat_study(), [Batch(keys, image, label, None)]))
    assert _size(patch_montage(halves_study(), [Batch(keys, image, None, torch.tensor([0, 1]))]))


@pytest.mark.parametrize("name", ["$x^$", "a$b_$c", r"$\frac$", "_under", "a\nb\x1b", "x" * 10_000])
def test_a_name_is_no_formula_and_draws_over_nothing(name: str) -> None:
    image, labels = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.int64)
    assert overlays([Overlay(name, image, {"truth": labels})], ("background", "x")).startswith(b"\x89PNG")
    assert spread({name[:100]: [0.5, 0.6]}, "dice").startswith(b"\x89PNG")
    assert curves({name[:100]: {name[:100]: [(0, 1.0), (1, 2.0)]}}).startswith(b"\x89PNG")

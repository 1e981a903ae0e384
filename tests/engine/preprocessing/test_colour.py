"""Known numbers, greys and stains: against formulas, and stains of a slide that is made from known ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from tests.support.shared_data import shared_data
from tests.support.studies import CLASSIFICATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Image, read_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing import Pipeline, Sample, stains
from wardround.engine.study import Study

RGB = ["red", "green", "blue"]
REFERENCE = np.array([(0.5626, 0.7201, 0.4062), (0.2159, 0.8012, 0.5581)])


def _study(*steps: Any, inputs: list[str] | None = None) -> Study:
    return study_of(changed(CLASSIFICATION, preprocessing=[*steps], inputs=inputs or RGB))


def _applied(step: Any, pixels: np.ndarray) -> np.ndarray:
    names = [*RGB, "depth"][: len(pixels)]
    grid = plain_geometry(pixels.shape[1:])
    return Pipeline(_study(step, inputs=names)).apply(Sample(Image(pixels, grid), None)).image.data


def _pixels(seed: int = 0, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, *shape)).astype(np.float32)


def test_known_numbers() -> None:
    pixels = _pixels()
    np.testing.assert_allclose(_applied("divide", pixels), pixels / 255, rtol=1e-6)
    means, deviations = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels / 255 - means[:, None, None]) / deviations[:, None, None]
    np.testing.assert_allclose(_applied("normalize_imagenet", pixels), expected, atol=1e-5)
    np.testing.assert_allclose(_applied({"normalize_imagenet": 1}, pixels / 255), expected, atol=1e-5)
    step = {"normalize_by_value": {"mean": [1, 2, 3], "deviation": 4}}
    np.testing.assert_allclose(_applied(step, pixels), (pixels - np.array([1, 2, 3])[:, None, None]) / 4, rtol=1e-6)


def test_grey_is_that_of_pillow() -> None:
    pixels = _pixels()
    found = _applied("grayscale", pixels)
    picture = Picture.fromarray(np.moveaxis(pixels, 0, -1).astype(np.uint8)).convert("L")
    assert abs(found - np.asarray(picture, dtype=np.float32)).max() <= 1
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize(
    ("step", "inputs", "told"),
    [
        ("grayscale", ["grey"], "needs red, green and blue"),
        ("stain_normalization", [*RGB, "depth"], "needs red, green and blue"),
        ("normalize_imagenet", ["red", "green"], "needs red, green and blue"),
        ({"normalize_by_value": {"mean": [1, 2], "deviation": 1}}, RGB, "not those of the channels"),
        ({"normalize_by_value": {"mean": 1, "deviation": 0}}, RGB, "cannot be used"),
        ({"stain_normalization": {"stains": [[0.5, 0.5, 0.5], [0.2, 0.2, 0.2]]}}, RGB, "one colour"),
    ],
)
def test_what_does_not_fit_the_study_is_told(step: Any, inputs: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _study(step, inputs=inputs)
    with_depth = {"stain_normalization": {"channels": RGB}}
    assert _study(with_depth, inputs=[*RGB, "depth"])


def _slide(colours: np.ndarray, seed: int = 0, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A tile of two stains of these colours, and how strong each is in every pixel: some have one stain alone, some
    both, and a quarter none."""
    random = np.random.default_rng(seed)
    strengths = random.gamma(4, 0.25, (64, 80, 2)) * strength
    kind = random.choice(4, (64, 80), p=[0.25, 0.25, 0.25, 0.25])
    strengths[(kind == 0) | (kind == 2), 0] *= 0.02
    strengths[(kind == 1) | (kind == 2), 1] *= 0.02
    unit = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    pixels = 240 * np.exp(-(strengths @ unit)) - 1
    return np.moveaxis(pixels, -1, 0).clip(0, 255).astype(np.float32), strengths


OTHERS = {
    "bluish": np.array([(0.65, 0.70, 0.29), (0.25, 0.85, 0.30)]),
    "reddish": np.array([(0.48, 0.80, 0.35), (0.12, 0.90, 0.42)]),
}


@pytest.mark.parametrize("method", ["macenko", "vahadane"])
@pytest.mark.parametrize("name", OTHERS)
def test_stains_of_a_slide_are_found_and_brought_to_the_reference(method: str, name: str) -> None:
    pixels, strengths = _slide(OTHERS[name], strength=0.7)
    found = _applied({"stain_normalization": method}, pixels)
    scale = np.array([1.9705, 1.0308]) / np.percentile(strengths.reshape(-1, 2), 99, axis=0)
    unit = REFERENCE / np.linalg.norm(REFERENCE, axis=1, keepdims=True)
    wanted = np.moveaxis(240 * np.exp(-(strengths * scale) @ unit), -1, 0).clip(0, 255)
    assert abs(found - wanted).mean() < 0.3 * abs(pixels - wanted).mean()
    assert 0 <= found.min() < found.max() <= 255


def test_two_laboratories_look_alike_afterwards() -> None:
    tiles = [
        _slide(colours, strength=strength)[0] for colours, strength in zip(OTHERS.values(), (0.6, 0.9), strict=True)
    ]
    found = [_applied("stain_normalization", tile) for tile in tiles]
    assert abs(found[0] - found[1]).mean() < 0.35 * abs(tiles[0] - tiles[1]).mean()


def test_known_stains_are_scaled() -> None:
    pixels, _ = _slide(np.array([(0.65, 0.70, 0.29), (0.07, 0.99, 0.11)]))
    same = {"method": "ruifrok", "stains": [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]]}
    _, strengths = _slide(REFERENCE)
    strong = np.percentile(strengths.reshape(-1, 2), 99, axis=0).tolist()
    found = _applied({"stain_normalization": {**same, "strengths": strong}}, pixels)
    assert abs(found - pixels).max() < 3  # its own stains and strengths leave a tile as it is


@pytest.mark.parametrize("method", ["macenko", "vahadane", "ruifrok"])
@pytest.mark.parametrize("value", [255, 240, 0, 128])
def test_a_tile_without_two_stains_is_refused_or_kept_as_the_study_says(method: str, value: int) -> None:
    """GaNDLF's step is skipped without a word; here a bare tile is told, or the study says that it may stay."""
    bare = np.full((3, 20, 24), value, np.float32)
    if method == "ruifrok" and value in (0, 128):
        return  # grey holds both of the stains that are taken as known
    with pytest.raises(InputError, match="no two stains can be told apart"):
        _applied({"stain_normalization": method}, bare)
    kept = _applied({"stain_normalization": {"method": method, "blank": "keep"}}, bare)
    np.testing.assert_array_equal(kept, bare)


@pytest.mark.parametrize("factor", [257, -1])
def test_pixels_of_another_depth_are_refused(factor: int) -> None:
    with pytest.raises(InputError, match="pixels of 8 bits"):
        _applied("stain_normalization", _slide(REFERENCE)[0] * factor)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, _ = _slide(OTHERS["bluish"])
    whole = _applied("stain_normalization", pixels)
    monkeypatch.setattr(stains, "_BLOCK", 1000)
    np.testing.assert_array_equal(_applied("stain_normalization", pixels), whole)


@pytest.mark.parametrize("method", ["macenko", "vahadane", "ruifrok"])
def test_real_tiles_are_brought_to_the_strengths_of_the_reference(method: str) -> None:
    for path in sorted((shared_data() / "histology_tiles" / "images").glob("*.png"))[:2]:
        pixels = read_image(path).data
        found = _applied({"stain_normalization": method}, pixels)
        densities = -np.log((found.reshape(3, -1).T.astype(np.float64) + 1) / 240)
        strengths = densities @ np.linalg.pinv(REFERENCE / np.linalg.norm(REFERENCE, axis=1, keepdims=True))
        np.testing.assert_allclose(np.percentile(strengths, 99, axis=0), [1.9705, 1.0308], rtol=0.1)
        assert abs(found - pixels).mean() > 3

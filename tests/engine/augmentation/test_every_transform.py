"""What every built-in transform must hold, on odd shapes and flat images; `check_part` holds the rest."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from wardround.engine.augmentation.on_grid import ON_GRID, OnGrid
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.sampling import Batch, SampleKey

PARTS = [part for part in builtin_and_plugins().parts(Kind.AUGMENTATION) if not part.package]
SHAPES = [(9, 8, 10), (13, 11), (1, 8, 8), (8, 1), (1, 1, 1), (2, 2, 2), (3, 4, 1), (4, 4)]
MORE: dict[str, dict[str, Any]] = {
    "spatial": {"elastic": 2, "translation": 2, "shear": 10},
    "gamma": {"invert": 0.5, "retain": "moments"},
    "noise": {"unit": "deviation"},
    "brightness": {"shift": (-1, 1)},
    "low_resolution": {"enlarged": "cubic", "along": "one"},
    "swap": {"truth": "stays"},
}
"""Parameters that are tried beside the defaults."""
CASES = [(part, {}) for part in PARTS] + [(part, MORE[part.name]) for part in PARTS if part.name in MORE]


def _named(value: Any) -> str:
    return value.name if isinstance(value, Part) else "more" * bool(value)


def _transform(part: Part, more: dict[str, Any]) -> Any:
    return part.make(part.parameters(**{"probability": 1.0, **more}))


def _undergone(transform: Any, image: torch.Tensor, mask: torch.Tensor, drawn: list[Any]) -> Batch:
    keys = tuple(SampleKey(f"{place:064x}", place) for place in range(len(image)))
    on_grid = OnGrid(Batch(keys, image, {"mask": mask}), ON_GRID)
    on_grid.undergo(transform, drawn)
    return on_grid.batch


def _drawn(transform: Any, dimensions: int, count: int = 3) -> list[Any]:
    random = np.random.default_rng(0)
    return [transform.draw(random, dimensions) for _ in range(count)]


@pytest.mark.parametrize(("part", "more"), CASES, ids=_named)
def test_thin_flat_and_constant_samples_stay_finite_and_labels_in_their_set(part: Part, more: dict[str, Any]) -> None:
    transform = _transform(part, more)
    for shape in SHAPES:
        if part.name == "rotate_90" and len({*shape}) > 1:
            continue  # which its flaws refuse
        generator = torch.Generator().manual_seed(1)
        mask = torch.randint(0, 2, (3, *shape), generator=generator, dtype=torch.uint8) * 7
        for image in (
            torch.randn((3, 3, *shape), generator=generator),
            *(torch.full((3, 3, *shape), value) for value in (0.0, 3e-8, -1e4)),
        ):
            after = _undergone(transform, image, mask, _drawn(transform, len(shape)))
            assert after.image.shape == image.shape
            assert after.image.isfinite().all(), shape
            assert set(after.truth["mask"].unique().tolist()) <= {0, 7}


@pytest.mark.parametrize(("part", "more"), CASES, ids=_named)
def test_draws_are_plain_numbers_and_change_something(part: Part, more: dict[str, Any]) -> None:
    transform = _transform(part, more)
    for shape in ((12, 12, 12), (16, 16)):
        drawn = _drawn(transform, len(shape), 6)
        json.dumps([asdict(each) for each in drawn if each is not None], allow_nan=False)
        assert drawn == _drawn(transform, len(shape), 6)
        generator = torch.Generator().manual_seed(1)
        image = torch.randn((6, 3, *shape), generator=generator)
        mask = torch.randint(0, 3, (6, *shape), generator=generator)
        given = image.clone(), mask.clone()
        after = _undergone(transform, image, mask, drawn)
        assert not torch.equal(after.image, image)
        assert torch.equal(image, given[0])
        assert torch.equal(mask, given[1])
        again = transform.apply(image, mask, drawn)  # as packages call it
        assert torch.equal(again[0], after.image)
        assert torch.equal(again[1], after.truth["mask"])
        still = _undergone(transform, image, mask, [*drawn[:3], None, *drawn[4:]])
        assert torch.equal(still.image[3], image[3])


@pytest.mark.parametrize("part", PARTS, ids=_named)
def test_a_transform_of_probability_0_draws_nothing(part: Part) -> None:
    assert _drawn(_transform(part, {"probability": 0.0}), 3, 20) == [None] * 20


def test_every_augmentation_of_gandlf_has_its_part() -> None:
    named = {name for part in PARTS for name in part.gandlf}
    assert named == {
        *("affine", "elastic", "kspace", "motion", "bias", "blur", "noise", "noise_var", "gamma", "swap", "flip"),
        *("anisotropic", "rotate_90", "rotate_180", "colorjitter", "hed_transform"),
    }

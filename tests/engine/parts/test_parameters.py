"""Parameters refuse what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from wardround.engine.parts import Parameters
from wardround.engine.parts.augmentation import Gamma, Noise, Spatial
from wardround.engine.parts.networks import UNet
from wardround.engine.parts.optimization import AdamW
from wardround.engine.parts.preprocessing import Clip, Orient, Resample, Rescale, Resize


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ASR", "IPL"])
def test_an_orientation_names_each_pair_once(axes: str) -> None:
    assert Orient(axes=axes).axes == axes


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Orient, {"axes": "RRS"}),
        (Orient, {"axes": "RL"}),
        (Orient, {"axes": "ras"}),
        (Resample, {"spacing": (1, 0, 1)}),
        (Resample, {"spacing": (1,)}),
        (Resample, {}),
        (Resize, {"size": (10, 0)}),
        (Clip, {"low": 1, "high": 1}),
        (Clip, {"low": float("nan"), "high": 1}),
        (Rescale, {"low": 2, "high": 1}),
        (Rescale, {"percentiles": (99, 1)}),
        (Rescale, {"percentiles": (50, 50)}),
        (Rescale, {"percentiles": (0, 101)}),
        (Spatial, {"scale": (1.1, 0.9)}),
        (Spatial, {"probability": 1.1}),
        (Noise, {"std": (0.2, 0.1)}),
        (Noise, {"std": (-0.1, 0.1)}),
        (Gamma, {"log_gamma": (1, 0)}),
        (UNet, {"levels": 1}),
        (UNet, {"dimensions": 4}),
        (AdamW, {"learning_rate": 0}),
        (AdamW, {"betas": (0.9, 1.0)}),
        (AdamW, {"learning_rat": 1}),
    ],
)
def test_values_without_sense_are_refused(model: type[Parameters], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**values)

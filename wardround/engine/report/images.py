"""Pictures of images that were made: what they were made from, what they should be, what they are, and the error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wardround.engine.experiments.results import CasePrediction
from wardround.engine.report.panels import Scene
from wardround.engine.report.views import View
from wardround.engine.study import Study

_PERCENTILES = (0.5, 99.5)
"""Of the truth, which become black and white."""


def image_scenes(
    prediction: CasePrediction, study: Study, view: View, index: int, shown: Scene
) -> Iterator[tuple[str, Scene]]:
    """A plane through an image that was made beside the truth and their difference, each target with its captions.

    `shown` is the scene of the input. Truth and prediction have one window; the error is grey where there is none,
    white where the prediction is too high, and black where it is too low by a quarter of that window.
    """
    made, truth = prediction.images, prediction.sample.wanted
    if made is None:
        return
    for place, name in enumerate(study.targets):
        known = None if truth is None else truth[place]
        low, high = window_of(made[place] if known is None else known)
        plane = view.cut(made[place], index)
        if known is not None:
            yield f"truth {name}", replace(shown, image=view.cut(known, index), window=(low, high))
        yield f"prediction {name}", replace(shown, image=plane, window=(low, high))
        if known is not None:
            error, most = plane - view.cut(known, index), (high - low) / 4
            caption = f"error {name}, from {-most:.3g} to {most:.3g}"
            yield caption, replace(shown, image=error, window=(-most, most))


def window_of(image: np.ndarray) -> tuple[float, float]:
    """The values of black and white of an image, but for few voxels at both ends."""
    low, high = np.percentile(image, _PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)

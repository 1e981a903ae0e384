"""Where a file that was brought to another grid goes."""

from __future__ import annotations

import pytest

from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing.regridding import regridding


@pytest.mark.parametrize("word", ["image", "mask", "prediction"])
def test_a_prediction_stands_in_no_manifest(word: str) -> None:
    said = regridding(word, "001.nii.gz", plain_geometry((6, 8, 10)), plain_geometry((12, 8, 10)))
    assert ("name the new file in the manifest" in said) == (word != "prediction")
    assert ("put it in the place of the prediction" in said) == (word == "prediction")

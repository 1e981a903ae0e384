"""Files that a study needs: found, the ones that are meant, and numbers alone; or all that is wrong is told at once."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.engine.experiments.cohorts import flat_study
from wardround.engine.basics.problems import InputError
from wardround.engine.inspection.assets import require_assets
from wardround.engine.study import Study


def _study(sha256: str) -> Study:
    training = {"loss": "dice_ce", "batch_size": 4, "steps": 1, "start": {"asset": "pretrained", "sha256": sha256}}
    return flat_study(training=training)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({"head.bias": np.zeros(2, np.float32)}, path)
    return path


def test_the_file_that_is_meant_is_taken_and_a_study_without_assets_needs_none(weights: Path) -> None:
    require_assets(_study(_sha256(weights)), {"pretrained": weights})
    require_assets(flat_study(), {})


def test_all_that_is_wrong_is_told_at_once(weights: Path) -> None:
    with pytest.raises(InputError) as told:
        require_assets(_study("0" * 64), {"pretraind": weights})
    unknown, missing = told.value.problems
    assert unknown.where == "asset pretraind"
    assert unknown.remedy == "Did you mean 'pretrained'?"
    assert missing.where == "training.start"
    assert "--asset pretrained=PATH" in missing.remedy


def test_an_asset_that_no_study_needs_is_told(weights: Path) -> None:
    with pytest.raises(InputError, match="needs no asset of this name"):
        require_assets(flat_study(), {"pretrained": weights})


def test_another_file_is_refused_with_both_digests(weights: Path) -> None:
    with pytest.raises(
        InputError, match=f"not the file that the study names .*{_sha256(weights)}; expected {'0' * 64}"
    ):
        require_assets(_study("0" * 64), {"pretrained": weights})


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_file_that_cannot_be_read_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the asset cannot be read"):
        require_assets(_study("0" * 64), {"pretrained": tmp_path / place})


@pytest.mark.parametrize("content", [pickle.dumps({"weight": [1.0]}), b"", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_safetensors_file_is_refused_though_its_digest_is_right(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"holds no tensors.*safetensors"):
        require_assets(_study(_sha256(path)), {"pretrained": path})

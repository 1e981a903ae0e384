"""A sound hospital, made once, and a copy of it for each test to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine.cli.hospital import SHAPE, Hospital
from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_segmentation_cohort(folder, shape=SHAPE)
    Hospital(folder).study(SEGMENTATION)
    return folder


@pytest.fixture
def hospital(sound: Path, tmp_path: Path) -> Hospital:
    return Hospital(shutil.copytree(sound, tmp_path / "hospital"))

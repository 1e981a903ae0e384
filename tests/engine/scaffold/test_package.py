"""What `wardround new-part` writes works at once: it installs, its own tests pass, and a study trains with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode
from wardround.engine.scaffold import new_part
from wardround.engine.scaffold.package import SCAFFOLDED
from wardround.lab.processes import module_command

PATCHES = {"size": [16, 16, 16], "per_case": 1}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package for every kind of part."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in SCAFFOLDED:
        new_part(kind.value, f"my_{kind}", folder / kind.value)
    return folder


@pytest.fixture(scope="module")
def installed(packages: Path) -> Mapping[str, str]:
    """The environment of a process in which all of them are installed, by pip as their README says."""
    site = packages / "site"
    sources = [packages / kind.value for kind in SCAFFOLDED]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", site, *sources], check=True)
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def test_the_tests_of_every_package_pass(packages: Path, installed: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    tests = [packages / kind.value / "tests" for kind in SCAFFOLDED]
    done = subprocess.run([*command, *tests], env=installed, cwd=packages, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 2 * len(SCAFFOLDED)


def test_a_study_trains_with_one_of_each_kind(tmp_path: Path, installed: Mapping[str, str]) -> None:
    content: dict[str, Any] = changed(
        SEGMENTATION,
        preprocessing=["my_preprocessing", "z_normalize"],
        augmentation=["my_augmentation"],
        patches=PATCHES,
        model={"name": "my_network", "dimensions": 3},
        training={"loss": "my_loss", "optimizer": "my_optimizer", "schedule": "my_schedule", "epochs": 1},
        validation={"outer_folds": 2, "inner_folds": 2, "metrics": ["dice", "my_metric"], "select": "my_metric"},
        inference={"postprocessing": ["my_postprocessing"]},
    )
    study = write_study(tmp_path / "study.yaml", content)
    manifest = write_segmentation_cohort(tmp_path / "data", cases=4)
    words = ("fit", study, "--manifest", manifest, "--out", tmp_path / "run", "--steps", 2, "--device", "cpu")
    command = module_command("wardround.engine.cli", *map(str, words))
    finished = subprocess.run(command, env=installed, capture_output=True, text=True, timeout=200)
    assert finished.returncode == ExitCode.OK, finished.stderr
    metrics = json.loads((tmp_path / "run" / "fold-0" / "model" / "metrics.json").read_text())
    assert "my_metric" in metrics["validation"]["values"]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("los", "mine", "Did you mean 'loss'"),
        ("loss", "cross_entropy", "of this name already"),
        ("loss", "Focal", "cannot be the name"),
        ("loss", "class", "cannot be the name"),
        ("loss", "focal-loss", "cannot be the name"),
        ("loss", "../mine", "cannot be the name"),
        ("loss", "x" * 41, "cannot be the name"),
        ("loss", "", "cannot be the name"),
        ("loss", "7up", "cannot be the name"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, kind: str, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        new_part(kind, name, tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        new_part("los", "Focal", tmp_path)
    assert [problem.what for problem in caught.value.problems] == [
        "unknown kind of part",
        "this cannot be the name of a part",
        "the folder exists",
    ]
    assert all(problem.remedy for problem in caught.value.problems)
    assert not list(tmp_path.iterdir())

"""Studies of all parts, drawn at random: each is refused in words, or learns and is validated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from ruamel.yaml import YAML

from tests.support.images import blobs, oblique_geometry, write_table
from tests.support.random_studies import SIDES, studies
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import Image, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.inspection import Depth, check_files
from wardround.engine.parts import PartFault
from wardround.engine.study import Study, load_study
from wardround.engine.study.written import write_study

CASES = 9
Tables = Callable[[Study], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and masks with every truth there is: two-dimensional and solid, of one channel and of three."""
    path = tmp_path_factory.mktemp("drawn")
    for axes in SIDES:
        for channels in (0, 1, 3):
            write_cases(path, axes, channels)
    return path


def write_cases(folder: Path, axes: int, channels: int) -> None:
    """A table of small cases, and one for each task, which differ in the columns of their truth."""
    shape, random = SIDES[axes], np.random.default_rng(axes)
    grid = plain_geometry(shape) if axes == 2 else oblique_geometry(shape)
    suffix, rows = (".png" if axes == 2 else ".nii.gz"), []
    for number in range(CASES):
        image, mask = blobs(shape, 2, random)
        mask[-1] = 3
        names = [f"{axes}_{channels}_{number}_{channel}{suffix}" for channel in range(channels)]
        for name in names:
            noise = image + random.normal(0, 8, shape)
            write_image(folder / name, Image(noise.clip(0, 255).astype(np.uint8)[None], grid))
        write_label(folder / f"{axes}_{number}_mask.nii.gz", mask, grid) if axes == 3 else write_label(
            folder / f"{axes}_{number}_mask.png", mask, grid
        )
        rows.append((number, names, f"{axes}_{number}_mask{suffix}"))
    columns = tuple(f"Channel_{channel}" for channel in range(channels))
    for task, (names_of, values_of) in TRUTHS.items():
        header = ("SubjectID", *columns, "age", "sex", *names_of)
        cells = [
            (f"case_{number}", *names, 40 + number, ("female", "male")[number % 2], *values_of(number, mask))
            for number, names, mask in rows
        ]
        write_table(folder / f"{task}_{axes}_{channels}.csv", header, cells)


TRUTHS: dict[str, tuple[tuple[str, ...], Callable[[int, str], tuple[object, ...]]]] = {
    "segmentation": (("Label",), lambda number, mask: (mask,)),
    "classification": (("ValueToPredict",), lambda number, mask: (number % 2,)),
    "multilabel": (
        ("ValueToPredict_first", "ValueToPredict_second"),
        lambda number, mask: (number % 2, number // 2 % 2),
    ),
    "regression": (
        ("ValueToPredict_first", "ValueToPredict_second"),
        lambda number, mask: (number, 3.5 - number),
    ),
    "survival": (("Time", "Event"), lambda number, mask: (10 + 7 * number % 5, int(number % 3 != 0))),
}


def outcome(content: dict[str, Any], folder: Path, work: Path) -> str:
    """`refused`, or `learned`. Raises whatever else happens."""
    file = folder / "study.yaml"
    with file.open("w") as handle:
        YAML().dump(content, handle)
    axes = len(content["patches"]["size"]) if content["inputs"] else 2
    table = folder / f"{content['task']}_{axes}_{len(content['inputs'])}.csv"
    try:
        checked = check_files(file, table, Depth.STEPS, 0)
    except InputError as error:
        if any(isinstance(problem, PartFault) for problem in error.problems):
            raise  # a part of Wardround's own has failed, which is no fault of the study
        return "refused"
    _require_round_trip(checked.study, folder / "again.yaml")
    _require_learning(Workbench.open(checked.study, table, work, device="cpu", threads=1))
    return "learned"


def _require_round_trip(study: Study, file: Path) -> None:
    write_study(file, study)
    assert load_study(file) == study
    assert load_study(file).digest == study.digest


def _require_learning(bench: Workbench) -> None:
    learner = bench.learner(4)
    losses: list[float] = []
    learner.train(bench.source(), 0, 1, on_step=lambda record: losses.append(record.loss))
    assert np.isfinite(losses).all()
    assert all(torch.isfinite(tensor).all() for tensor in learner.weights().values())
    summary = bench.evaluate(learner, "validation", most=2).summary
    assert not [name for name, score in summary.items() if score.value is not None and np.isnan(score.value)]


@settings(max_examples=30, derandomize=True, database=None)
@given(content=studies())
def test_a_drawn_study_is_refused_in_words_or_learns(content: dict[str, Any], folder: Path) -> None:
    outcome(content, folder, folder / "work")


@pytest.mark.slow
@settings(max_examples=300, database=None)
@given(content=studies())
def test_many_drawn_studies_are_refused_in_words_or_learn(content: dict[str, Any], folder: Path) -> None:
    outcome(content, folder, folder / "work")

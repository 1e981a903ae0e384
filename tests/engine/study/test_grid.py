"""Studies that differ in a few settings."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.support.commands import run_wardround
from tests.support.studies import SEGMENTATION, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.study import load_study
from wardround.engine.study.grid import axes_of, grid_of

STUDY = """# Blobs, by hand.
schema: 1
study: blobs
task: segmentation
inputs: [T1w]
classes: {left: 1, right: 2}   # as the masks have them
preprocessing:
  - orient: RAS
  - rescale
patches: {size: [16, 16, 16]}
model:
  unet: {dimensions: 3, filters: 4, levels: 3}
training: {loss: dice_ce}
validation: {metrics: [dice], select: dice}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_every_combination_is_a_study_and_comments_stay(study: Path) -> None:
    found = grid_of(study, axes_of(["training.optimizer.learning_rate=1e-3,1e-4", "model.filters=4,8"]))
    assert [tuple(each.settings.values()) for each in found] == [
        ("1e-3", "4"),
        ("1e-3", "8"),
        ("1e-4", "4"),
        ("1e-4", "8"),
    ]
    rates = [each.study.training.optimizer.parameters.learning_rate for each in found]
    assert rates == [1e-3, 1e-3, 1e-4, 1e-4]
    assert [each.study.model.parameters.filters for each in found] == [4, 8, 4, 8]
    assert len({each.study.digest for each in found}) == 4
    assert all("# as the masks have them" in each.text and "# Blobs, by hand." in each.text for each in found)


def test_a_setting_that_is_as_it_was_changes_nothing_but_the_name(study: Path) -> None:
    (found,) = grid_of(study, axes_of(["model.filters=4"]))
    base = load_study(study)
    assert found.study.model_copy(update={"study": base.study}) == base


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("preprocessing.rescale.low=-1", lambda found: found.preprocessing[1].parameters.low == -1),
        ("preprocessing.1.low=-1", lambda found: found.preprocessing[1].parameters.low == -1),
        ("preprocessing.orient=LPS", lambda found: found.preprocessing[0].parameters.axes == "LPS"),
        ("preprocessing.1=z_normalize", lambda found: found.preprocessing[1].name == "z_normalize"),
        ("training.loss.smooth=0.5", lambda found: found.training.loss.parameters.smooth == 0.5),
        ("training.loss=cross_entropy", lambda found: found.training.loss.name == "cross_entropy"),
        ("training.epochs=7", lambda found: found.training.epochs == 7),
        ("inference.mirror=true", lambda found: found.inference.mirror),
        ("patches.size=[32, 16, 16]", lambda found: found.patches.size == (32, 16, 16)),
        ("study=others", lambda found: found.study == "others"),
    ],
)
def test_settings_are_found_however_a_part_is_written(study: Path, word: str, read: object) -> None:
    (found,) = grid_of(study, axes_of([word]))
    assert callable(read)
    assert read(found.study)


def test_a_key_of_a_section_is_not_taken_for_one_of_its_only_part(tmp_path: Path) -> None:
    content = {**SEGMENTATION, "training": {"loss": {"name": "dice_ce"}}}
    (found,) = grid_of(write_study(tmp_path / "s.yaml", content), axes_of(["training.epochs=3"]))
    assert found.study.training.epochs == 3


def test_the_problems_of_all_combinations_are_told_once_each(study: Path) -> None:
    with pytest.raises(InputError) as told:
        grid_of(study, axes_of(["model.filters=4,-1", "training.epochs=5,0,9", "training.optimiser.x=1"]))
    places = [problem.where for problem in told.value.problems]
    assert len(places) == 3
    assert any("training.optimiser" in where and "with" not in where for where in places)
    assert any("filters with model.filters -1, training.epochs 5" in where for where in places)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["foo"], "this is no setting"),
        (["seed="], "this is no setting"),
        (["seed=[1"], "this is no setting"),
        (["=1"], "this is no setting"),
        (["seed=1,1"], "a value stands twice"),
        (["seed=1,2", "seed=3"], "a setting stands twice"),
        (["seed=" + ",".join(map(str, range(15))), "training.epochs=" + ",".join(map(str, range(1, 15)))], "210"),
        (["seed.x=1"], "seed is"),
        (["preprocessing.blur.x=1"], "there is no 'blur' in this list"),
        (["preprocessing.7=blur"], "there is no '7' in this list"),
        (["training.epochs=0"], "training.epochs"),
    ],
)
def test_what_makes_no_study_is_told_and_nothing_written(study: Path, words: list[str], told: str) -> None:
    sets = [part for word in words for part in ("--set", word)]
    done = run_wardround("grid", study, *sets, "--out", study.parent / "out")
    assert done.code == 2
    assert told in done.err
    assert not (study.parent / "out").exists()


def test_the_command_writes_studies_that_load_and_an_index(study: Path) -> None:
    out = study.parent / "out"
    done = run_wardround("grid", study, "--set", "model.filters=4,8", "--out", out)
    assert done.code == 0, done.err
    with (out / "index.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["model.filters"] for row in rows] == ["4", "8"]
    assert [load_study(out / row["File"]).digest for row in rows] == [row["Digest"] for row in rows]
    assert [row["File"] for row in rows] == ["001-filters-4.yaml", "002-filters-8.yaml"]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run_wardround("grid", study, "--set", "model.filters=4,8", "--out", out)
    assert again.code == 2
    assert "Nothing was replaced" in again.err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

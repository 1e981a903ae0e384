"""Options that cannot be used: each is named, with what to write, and all of a command line at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.commands import Outcome, run_wardround

EACH = (
    ("--folds", "9", "--folds: there is no fold 9 (got 9; expected 0 to 1)"),
    ("--folds", "all,1", "--folds: unknown folds (got 'all,1'; expected a number, all or nested)"),
    ("--steps", "0", "--steps: so many steps cannot be trained (got 0; expected 1 to 10,000,000)"),
    ("--steps", "99999999999", "--steps: so many steps cannot be trained"),
    ("--device", "gpu", "--device: there is no such device here (got 'gpu'"),
    ("--threads", "0", "--threads: no work can be done with so few threads (got 0; expected 1 or more). Leave it out"),
    ("--store-limit", "200GBB", "--store-limit: this is no size (got '200GBB'"),
    ("--out", "{}/data.csv", "data.csv is a file"),
    ("--out", "{}/data.csv/run", "Name a folder, such as `--out run`"),
    ("--work", "{}/data.csv", "Name a folder, such as `--work work`"),
)


def fit(hospital: Hospital, *words: str) -> Outcome:
    given = [word.format(hospital.folder) for word in words]
    if "--out" not in words:
        given += ["--out", str(hospital.folder / "run")]
    return run_wardround("fit", hospital.folder / "study.yaml", "--manifest", hospital.manifest, *given)


@pytest.mark.parametrize(("option", "word", "told"), EACH, ids=[" ".join(each[:2]) for each in EACH])
def test_a_wrong_option_is_named_with_what_to_write(hospital: Hospital, option: str, word: str, told: str) -> None:
    outcome = fit(hospital, option, word)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {option}: ")
    assert told in outcome.err
    assert outcome.err.count("error:") == 1
    assert not (hospital.folder / "run").exists()


def test_all_wrong_options_of_fit_are_told_at_once_with_its_files(hospital: Hospital) -> None:
    hospital.manifest.unlink()
    (hospital.folder / "study.yaml").write_text("study: x\n")
    given = ("--steps", "0", "--device", "gpu", "--threads", "0", "--store-limit", "many", "--out", "{}/study.yaml")
    error = fit(hospital, *given).err
    for option in ("--steps", "--device", "--threads", "--store-limit", "--out"):
        assert error.count(f"error: {option}: ") == 1
    assert "there is no such table" in error
    assert error.count("study.yaml, task: a required key is missing") == 1


def test_a_fold_is_counted_by_the_split_column_where_there_is_one(hospital: Hospital) -> None:
    lines = hospital.manifest.read_text().splitlines()
    sets = ["Split", "train", "train", "train", "train", "validation", "test"]
    hospital.manifest.write_text("\n".join(f"{line},{name}" for line, name in zip(lines, sets, strict=True)) + "\n")
    error = fit(hospital, "--folds", "1").err
    assert error.startswith("error: --folds: there is no fold 1 (got 1; expected 0). The manifest's Split column fixes")


def test_a_fold_of_check_is_named_with_what_is_wrong_in_the_table(hospital: Hospital) -> None:
    hospital.edit("images/case_003.nii.gz", "images/nothing.nii.gz")
    hospital.refuse("--folds: there is no fold 9", options=("--folds", "9"))
    hospital.refuse("there is no such file", options=("--folds", "9"))


@pytest.mark.parametrize("of", ["predict", "evaluate"])
def test_all_wrong_options_of_a_model_that_is_used_are_told_at_once(hospital: Hospital, of: str) -> None:
    model, study = str(hospital.folder / "model"), str(hospital.folder / "study.yaml")
    words = ["predict", model] if of == "predict" else ["evaluate", study, "--model", model]
    absent = str(hospital.folder / "absent.csv")
    given = ("--manifest", absent, "--device", "gpu", "--threads", "-1", "--out", str(hospital.manifest))
    outcome = run_wardround(*words, *given)
    assert outcome.code == 2
    told = ("this is not a model folder", "there is no such table", "--device: ", "--threads: ", "--out: ")
    assert [outcome.err.count(each) for each in told] == [1] * 5


@pytest.mark.parametrize("place", ["model", "table", "folder"])
def test_where_the_images_are_is_asked_with_the_rest(tmp_path: Path, place: str) -> None:
    given = {"model": (), "table": ("--manifest", "no.csv"), "folder": ("--folder", str(tmp_path / "no"))}[place]
    error = run_wardround("predict", tmp_path, *given, "--out", tmp_path / "masks", "--threads", "0").err
    told = {"model": "where are the images?", "table": "there is no such table", "folder": "there is no such folder"}
    assert told[place] in error
    assert "--threads: " in error
    assert "this is not a model folder" in error

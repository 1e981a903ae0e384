"""Predicting and scoring replace nothing that they did not write: no image, no true mask, no corrected prediction."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.engine.experiments.test_at_fault import Place, place, sound
from tests.support.commands import run_wardround
from wardround.engine.basics.made import RECORD

__all__ = ["place", "sound"]


def _bytes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def _predict(place: Place, out: Path, *source: object) -> tuple[int, str]:
    done = run_wardround("predict", place.folder / "model", *source, "--out", out, "--device", "cpu")
    return done.code, done.out + done.err


@pytest.mark.parametrize("into", ["images", "labels"])
@pytest.mark.parametrize("by", ["folder", "manifest"])
def test_images_and_true_masks_are_never_replaced(place: Place, into: str, by: str) -> None:
    data = place.folder / "data"
    source = {"folder": data / "images", "manifest": place.manifest}[by]
    before = _bytes(data / into)
    code, told = _predict(place, data / into, f"--{by}", source)
    assert code == 2
    assert "5 files lie here already of names that `wardround predict` would write" in told
    assert _bytes(data / into) == before


def test_not_even_through_a_link_to_their_folder(place: Place) -> None:
    (place.folder / "out").symlink_to(place.folder / "data" / "labels")
    before = _bytes(place.folder / "data" / "labels")
    assert place.predict().code == 2
    assert _bytes(place.folder / "data" / "labels") == before


def test_one_mask_among_what_would_be_written_is_enough_and_nothing_is_written(place: Place) -> None:
    (place.folder / "out").mkdir()
    (place.folder / "out" / "case_003.png").write_bytes(place.truth(3).read_bytes())
    told = place.predict()
    assert told.code == 2
    assert "a file lies here already" in told.err
    assert [path.name for path in (place.folder / "out").iterdir()] == ["case_003.png"]


def test_the_same_command_goes_on_working_and_replaces_what_it_wrote(place: Place) -> None:
    assert place.predict().code == 0
    first = _bytes(place.folder / "out")
    (place.folder / "out" / "case_002.png").unlink()
    assert place.predict().code == 0
    assert {**_bytes(place.folder / "out"), RECORD: ""} == {**first, RECORD: ""}


def test_a_prediction_that_was_corrected_by_hand_stays(place: Place) -> None:
    assert place.predict().code == 0
    corrected = place.folder / "out" / "case_001.png"
    corrected.write_bytes(place.truth(1).read_bytes())
    told = place.predict()
    assert told.code == 2
    assert "case_001.png" in told.err
    assert "changed since" in told.err
    assert corrected.read_bytes() == place.truth(1).read_bytes()


def test_scores_take_nobodys_place_and_may_be_made_again(place: Place) -> None:
    scores = place.folder / "scores"
    assert place.score("predictions", "--out", str(scores)).code == 0
    assert place.score("predictions", "--out", str(scores)).code == 0
    (place.folder / "tables").mkdir()
    table = place.folder / "tables" / "cases.csv"
    table.write_bytes(place.manifest.read_bytes())
    told = place.score("predictions", "--out", str(table.parent))
    assert told.code == 2
    assert "cases.csv" in told.err
    assert "`wardround evaluate`" in told.err
    assert [path.name for path in table.parent.iterdir()] == ["cases.csv"]
    assert table.read_bytes() == place.manifest.read_bytes()


def test_a_preview_replaces_its_own_pictures_alone(place: Place) -> None:
    words = ("preview", place.folder / "study.yaml", "--manifest", place.manifest, "--count", "1", "--out")
    assert run_wardround(*words, place.folder / "patches.png").code == 0
    assert run_wardround(*words, place.folder / "patches.png").code == 0
    before = place.image(1).read_bytes()
    told = run_wardround(*words, place.image(1))
    assert told.code == 2
    assert "`wardround preview` did not make" in told.err
    assert place.image(1).read_bytes() == before


@pytest.mark.parametrize("name", ["fold-0/cases.csv", "leaderboard.csv", "report.html"])
def test_a_fit_replaces_nothing_that_no_run_made(place: Place, name: str) -> None:
    foreign = place.folder / "run" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("somebody's own")
    words = ("--manifest", place.manifest, "--out", place.folder / "run", "--folds", "all", "--steps", "1")
    told = run_wardround("fit", place.folder / "study.yaml", *words, "--device", "cpu")
    assert told.code == 2
    assert foreign.name in told.err
    assert foreign.read_text() == "somebody's own"
    assert not (place.folder / "run" / "store").exists()


def test_images_that_look_like_masks_are_told(place: Place) -> None:
    mixed = place.folder / "mixed"
    mixed.mkdir()
    for number in range(3):
        (mixed / place.image(number).name).write_bytes(place.image(number).read_bytes())
    (mixed / "other.png").write_bytes(place.truth(0).read_bytes())
    code, told = _predict(place, place.folder / "out", "--folder", mixed)
    assert code == 0
    assert "1 of 4 images looks like a mask by few values, all whole numbers (got other)" in told


def test_a_table_and_a_folder_that_are_exchanged_are_called_what_they_are(place: Place) -> None:
    images, out = place.folder / "data" / "images", place.folder / "out"
    assert f"A folder of images is given as `--folder {images}`" in _predict(place, out, "--manifest", images)[1]
    assert f"A table is given as `--manifest {place.manifest}`" in _predict(place, out, "--folder", place.manifest)[1]
    told = run_wardround("evaluate", place.folder / "study.yaml", "--manifest", images, "--predictions", images).err
    assert "this is a folder of images, and no table" in told
    assert "--folder" not in told, "evaluate has no such option"

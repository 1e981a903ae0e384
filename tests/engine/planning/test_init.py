"""A folder, however its files are named, becomes a manifest and a study that check; nothing is replaced."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
from click import termui
from PIL import Image as Picture
from typer.testing import CliRunner

from tests.engine.planning.cohorts import body, bricks
from tests.support.images import write_classification_cohort
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import init as command
from wardround.engine.cli.main import app
from wardround.engine.imaging import Image, write_image, write_label
from wardround.engine.planning.folders import cases_in
from wardround.engine.planning.matter import _category_lines
from wardround.engine.study import load_study

SHAPE = (16, 18, 12)
CASES = 5


def image(path: Path, seed: int = 0) -> None:
    data = np.random.default_rng(seed).normal(100, 10, (1, *SHAPE)).astype(np.float32)
    write_image(path, Image(data, body(SHAPE)))


def mask(path: Path, values: tuple[int, ...] = (1,)) -> None:
    write_label(path, bricks(SHAPE, {value: (3 * n, 3 * n + 3) for n, value in enumerate(values)}), body(SHAPE))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "data.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def run(*words: object) -> str:
    return CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False).output


def initialised(folder: Path, *more: object) -> Path:
    """`init`, and a check of what it wrote."""
    run("init", folder, "--yes", *more)
    assert "no problems" in run("check", folder / "study.yaml", "--manifest", folder / "data.csv")
    return folder


def refused(folder: Path, *more: object) -> str:
    with pytest.raises(InputError) as error:
        run("init", folder, "--yes", *more)
    assert not list(folder.rglob("study.yaml"))
    return "\n".join(problem.render() for problem in error.value.problems)


def test_folders_of_images_and_of_masks(tmp_path: Path) -> None:
    for number in range(CASES):
        image(tmp_path / "Images" / f"p{number}.nii.gz", number)
        mask(tmp_path / "labels" / f"p{number}.nii.gz", (1, 7, 9))
    initialised(tmp_path)
    assert rows(tmp_path)[0] == {
        "SubjectID": "p0",
        "Channel_0": "Images/p0.nii.gz",
        "Label": "labels/p0.nii.gz",
    }
    assert load_study(tmp_path / "study.yaml").classes == {"class 1": 1, "class 7": 7, "class 9": 9}
    assert "class 9: 9   # in 5 of 5 cases" in (tmp_path / "study.yaml").read_text()
    before = (tmp_path / "study.yaml").read_text()
    (tmp_path / "study.yaml").write_text(f"{before}# mine\n")
    with pytest.raises(InputError, match="changed since"):
        run("init", tmp_path, "--yes")
    assert (tmp_path / "study.yaml").read_text().endswith("# mine\n")


def test_numbered_channels_and_masks_with_an_ending(tmp_path: Path) -> None:
    for number in range(CASES):
        for channel in range(2):
            image(tmp_path / "images" / f"sub-{number}_ses-1_{channel:04d}.nii.gz", number * 2 + channel)
        mask(tmp_path / "masks" / f"sub-{number}_ses-1_seg.nii.gz")
    initialised(tmp_path)
    first = rows(tmp_path)[0]
    assert [*first] == ["SubjectID", "PatientID", "Channel_0", "Channel_1", "Label"]
    assert (first["SubjectID"], first["PatientID"]) == ("sub-0_ses-1", "sub-0")
    assert first["Channel_1"] == "images/sub-0_ses-1_0001.nii.gz"


def test_masks_beside_images(tmp_path: Path) -> None:
    for number in range(CASES):
        image(tmp_path / f"p_{number}.nii.gz", number)
        mask(tmp_path / f"p_{number}_seg.nii.gz")
    out = tmp_path / "study of mine"
    run("init", tmp_path, "--yes", "--out", out)
    assert rows(out)[0]["Label"] == "../p_0_seg.nii.gz"
    assert "no problems" in run("check", out / "study.yaml", "--manifest", out / "data.csv")


def test_endings_as_construct_csv_takes_them(tmp_path: Path) -> None:
    for number in range(CASES):
        for ending in ("t1", "t1ce"):
            image(tmp_path / f"patient{number}" / f"scan_{ending}.nii.gz", number + len(ending))
        mask(tmp_path / f"patient{number}" / "scan_seg.nii.gz")
    words = ("--channel", "_t1.nii.gz", "--channel", "_t1ce.nii.gz", "--label", "_seg.nii.gz")
    initialised(tmp_path, *words)
    assert rows(tmp_path)[1] == {
        "SubjectID": "patient1/scan",
        "Channel_0": "patient1/scan_t1.nii.gz",
        "Channel_1": "patient1/scan_t1ce.nii.gz",
        "Label": "patient1/scan_seg.nii.gz",
    }


def test_a_case_without_one_of_the_endings(tmp_path: Path) -> None:
    for number in range(3):
        image(tmp_path / f"p{number}" / "x_t1.nii.gz", number)
    mask(tmp_path / "p0" / "x_seg.nii.gz")
    told = refused(tmp_path, "--channel", "_t1.nii.gz", "--label", "_seg.nii.gz")
    assert told.count("a case lacks a file") == 2
    assert "no file's name ends so" in refused(tmp_path, "--channel", "_t9.nii.gz")


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_classification_cohort(source, cases=20)
    for number in range(20):
        place = tmp_path / "study" / ("healthy", "ill")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (source / "images" / f"picture_{number:03d}.png").rename(place / f"{number}.png")
    initialised(tmp_path / "study")
    assert load_study(tmp_path / "study" / "study.yaml").classes == {"healthy": 0, "ill": 1}
    assert rows(tmp_path / "study")[0]["ValueToPredict"] == "healthy"


def test_two_folders_of_which_one_has_the_names_of_the_other_with_an_ending(tmp_path: Path) -> None:
    for number in range(CASES):
        image(tmp_path / "nifti" / f"p{number}_T1.nii.gz", number)
        mask(tmp_path / "found" / f"p{number}_T1_PARTS.nii.gz")
    initialised(tmp_path)
    assert rows(tmp_path)[0] == {
        "SubjectID": "p0_T1",
        "Channel_0": "nifti/p0_T1.nii.gz",
        "Label": "found/p0_T1_PARTS.nii.gz",
    }


def test_images_and_masks_that_both_have_an_ending(tmp_path: Path) -> None:
    for number in range(CASES):
        image(tmp_path / f"p{number}_image.nii.gz", number)
        mask(tmp_path / f"p{number}_label.nii.gz")
    initialised(tmp_path)
    assert rows(tmp_path)[0]["SubjectID"] == "p0"


def test_a_folder_with_tables_is_told_of_them(tmp_path: Path) -> None:
    (tmp_path / "north.csv").write_text("SubjectID,Channel_0\n")
    assert "name the table north.csv" in refused(tmp_path)
    image(tmp_path / "a.nii.gz")
    (tmp_path / "south.csv").write_text("SubjectID,Channel_0\n")
    assert "name one of the tables north.csv, south.csv instead of the folder" in refused(tmp_path)


def test_images_without_masks_and_the_reverse(tmp_path: Path) -> None:
    for number in range(3):
        image(tmp_path / "images" / f"p{number}.nii.gz", number)
        mask(tmp_path / "labels" / f"p{number + 1}.nii.gz")
    told = refused(tmp_path)
    assert "1 images have no mask of the same name (got p0" in told
    assert "1 masks have no image of the same name (got p3" in told


def test_folders_that_tell_no_truth(tmp_path: Path) -> None:
    assert "the folder has no images" in refused(tmp_path)
    image(tmp_path / "a.nii.gz")
    assert "nothing here tells the truth" in refused(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    assert "import-nnunet" in refused(tmp_path)
    assert "endings of masks are told, and none of images" in refused(tmp_path, "--label", "_seg.nii.gz")


def test_a_table(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path, cases=20)
    assert f"next: wardround check {tmp_path / 'study.yaml'} --manifest {manifest}" in run("init", manifest, "--yes")
    with pytest.raises(InputError, match="a table names its files itself"):
        run("init", manifest, "--channel", "_t1.nii.gz", "--out", tmp_path / "other")


def test_a_person_is_asked_for_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(CASES):
        image(tmp_path / "images" / f"p{number}.nii.gz", number)
        mask(tmp_path / "labels" / f"p{number}.nii.gz", (1, 4))
    answers = iter(("T1w", "liver", "class 4"))
    monkeypatch.setattr(command.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    command.init(tmp_path)
    study = load_study(tmp_path / "study.yaml")
    assert (study.inputs, study.classes) == (("T1w",), {"liver": 1, "class 4": 4})


def test_a_name_that_no_study_can_have_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every image has been read by then: a slip of the keyboard must not cost that."""
    answers = iter(("größe", "T1/w", "CT", "ct", "PET"))
    monkeypatch.setattr(termui, "visible_prompt_func", lambda _: next(answers))
    taken = list[str]()
    assert [command._name("Name of input 1", "image", taken), command._name("Name of input 2", "x", taken)] == taken
    assert taken == ["CT", "PET"]
    said = capsys.readouterr()
    assert "such as groesse" in said.out + said.err
    assert "'ct' is taken" in said.out + said.err


def test_classes_whose_names_no_study_can_have_are_told_where_they_stand(tmp_path: Path) -> None:
    for number, name in enumerate(("größer", "+", "small") * 2):
        place = tmp_path / "images" / name
        place.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(np.full((20, 20), number * 9, np.uint8)).save(place / f"p{number}.png")
    with pytest.raises(InputError) as caught:
        run("init", tmp_path / "images", "--yes")
    first, second = caught.value.problems
    assert (first.where, first.got) == ("data.csv, ValueToPredict", "'+' in 2 cases")
    assert second.remedy.startswith("Write for example 'groesser' in the table, or call the folder so")


def test_numbers_of_classes_are_counted_by_their_value() -> None:
    """`01` is 1, and a superscript is no number, though Unicode calls it a digit."""
    counts = Counter({"1": 2, "01": 3, "0": 4})
    assert [*_category_lines(counts)] == ["  class 0: 0   # 4 cases", "  class 1: 1   # 5 cases"]
    assert next(_category_lines(Counter({"\u00b2": 2, "3": 1}))).startswith('  "3": 0')


def test_cases_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        image(tmp_path / "images" / f"{name}.nii.gz")
        mask(tmp_path / "labels" / f"{name}.nii.gz")
    assert [case.name for case in cases_in(tmp_path, (), None)] == ["a", "b"]

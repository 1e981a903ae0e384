"""Data sets of nnU-Net's and the Decathlon's form become a manifest and a study that check and train."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.engine.interop.datasets import FIRST, SECOND, describe, write_dataset, write_flat
from tests.support.shared_data import shared_data
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.interop import import_nnunet
from wardround.engine.study import load_study


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def check(folder: Path, *more: str) -> str:
    """What `check` says of what was written; it finds no problem."""
    done = CliRunner().invoke(
        app,
        ["check", str(folder / "study.yaml"), "--manifest", str(folder / "data.csv"), *more],
        catch_exceptions=False,
    )
    assert "no problems" in done.output
    return done.output


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        import_nnunet(folder)
    assert not list(folder.glob("*.csv")), "nothing is written"
    assert not list(folder.glob("*.yaml"))
    return str(error.value)


def test_the_second_version_with_regions_and_voxels_to_ignore(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "Dataset001_Tumours", SECOND)
    before = sorted(path for path in folder.rglob("*.nii.gz"))
    made = import_nnunet(folder)
    assert (made.training, made.test) == (4, 2)
    assert rows(folder / "data.csv")[0] == {
        "SubjectID": "case_0",
        "Channel_0": "imagesTr/case_0_0000.nii.gz",
        "Channel_1": "imagesTr/case_0_0001.nii.gz",
        "Label": "labelsTr/case_0.nii.gz",
    }
    assert [row["SubjectID"] for row in rows(folder / "test.csv")] == ["case_8", "case_9"]
    assert "Label" not in rows(folder / "test.csv")[0]
    study = load_study(folder / "study.yaml")
    assert (study.study, study.inputs) == ("dataset001-tumours", ("T1", "FLAIR"))
    assert study.outputs == ("whole", "core", "enhancing")
    assert study.class_values == (0, 1, 2, 3)
    assert study.ignore == 4
    assert sorted(path for path in folder.rglob("*.nii.gz")) == before, "no image is copied"
    assert "regions  whole (1, 2 or 3), core (2 or 3), enhancing (3); 4 is ignored" in check(folder)
    assert not any("regions_class_order" in note for note in made.notes)


def test_the_first_version_lists_cases_whose_files_are_numbered(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "Task05", FIRST, values=3)
    made = import_nnunet(folder, tmp_path / "elsewhere" / "study")
    out = tmp_path / "elsewhere" / "study"
    assert rows(out / "data.csv")[3]["Channel_0"] == "../../Task05/imagesTr/case_3_0000.nii.gz"
    study = load_study(out / "study.yaml")
    assert study.study == "prostate"
    assert study.classes == {"peripheral zone": 1, "Transition zone": 2}
    assert any("'Transition/zone' is called 'Transition zone'" in note for note in made.notes)
    assert [use.name for use in study.preprocessing] == ["orient", "resample", "cohort_clip", "cohort_normalize"]
    assert study.preprocessing[1].parameters.model_dump()["spacing"] == (1.0, 1.2, 2.0)
    check(out)


def test_the_decathlon_has_a_file_for_all_channels(tmp_path: Path) -> None:
    content = FIRST | {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}}
    folder = write_dataset(tmp_path / "Task01_BrainTumour", content, numbered=False, values=3)
    (folder / "imagesTr" / "._case_0.nii.gz").write_bytes(b"macOS")
    made = import_nnunet(folder)
    assert [*rows(folder / "data.csv")[0]] == ["SubjectID", "Channel_0", "Label"]
    assert made.notes == made.notes[:2], "hidden files are no cases"
    assert "inputs   FLAIR, T1w, t1gd, T2w" in check(folder)


def test_flat_images(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "Dataset007_Cells")
    import_nnunet(folder)
    study = load_study(folder / "study.yaml")
    assert (study.dimensions, study.patches.size) == (2, (48, 64))
    assert [use.name for use in study.preprocessing] == ["z_normalize"]
    check(folder)


def test_cases_that_dataset_json_lists_file_by_file(tmp_path: Path) -> None:
    listed = {
        f"c{number}": {
            "images": [f"imagesTr/case_{number}_000{channel}.nii.gz" for channel in (0, 1)],
            "label": f"labelsTr/case_{number}.nii.gz",
        }
        for number in range(3)
    }
    folder = write_dataset(tmp_path / "Dataset002", SECOND | {"dataset": listed, "numTraining": 3})
    made = import_nnunet(folder)
    assert made.training == 3
    assert any("files that belong to no case were left out: imagesTr/case_3_0000.nii.gz" in note for note in made.notes)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "Dataset003", SECOND | {"numTraining": 9})
    (folder / "imagesTr" / "case_0_0001.nii.gz").unlink()
    (folder / "labelsTr" / "case_1.nii.gz").unlink()
    (folder / "imagesTr" / "case_2_0000.nii.gz").write_bytes(b"")
    (folder / "labelsTr" / "case_3.nii.gz").unlink()
    (folder / "labelsTr" / "case_3.nii.gz").symlink_to("/etc/hostname")
    said = refused(folder)
    assert "the channel 1 (FLAIR) is missing (got case_0 (imagesTr/case_0_0001.nii.gz))" in said
    assert "the mask is missing (got case_1 (labelsTr/case_1.nii.gz))" in said
    assert "numTraining: the number of cases in imagesTr is not the one" in said
    assert "the mask is a link that leads out of the data set (got case_3" in said
    assert "case_2_0000.nii.gz" in said


@pytest.mark.parametrize(
    "path", ["../outside.nii.gz", "/etc/passwd", "imagesTr/../../x.nii.gz", "C:\\x.nii.gz", "..\\..\\x.nii.gz"]
)
def test_no_path_leads_out_of_the_data_set(tmp_path: Path, path: str) -> None:
    content = json.loads(json.dumps(FIRST))
    content["training"][0]["image"] = path
    content["training"][1]["label"] = path
    said = refused(write_dataset(tmp_path / "Task06", content, values=3))
    assert "dataset.json names a file outside the data set of 2 cases" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": {"tumour": 1}}, ["labels: no label is the background", "Add `background` with 0"]),
        ({"labels": {"background": 0}}, ["there is nothing but background"]),
        ({"labels": {"background": 0, "a": "b"}}, ["labels.a: this is no label"]),
        ({"labels": {"background": 0, "a": 1.5}}, ["labels.a: this is no label", "got 1.5"]),
        ({"labels": {"background": 0, "a": True}}, ["labels.a: this is no label"]),
        ({"labels": {"background": 0, "a": [1, 99999]}}, ["labels.a: this is no label"]),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, ["two labels have the same value: 'a' and 'b'"]),
        ({"labels": {"background": 0, "a": [0, 1]}}, ["labels.a: the background is no part of a structure"]),
        ({"labels": {"background": 0, "!!": 1}}, ["this is no name"]),
        ({"labels": {"background": 0, "a": 1, "a!": 2}}, ["two labels have the same name 'a'"]),
        ({"labels": {"background": 0, "a": 1, "ignore": 1}}, ["what is ignored is a structure too"]),
        ({"labels": {"background": 0, "a": 1, "ignore": [2, 3]}}, ["one value alone is ignored"]),
        ({"labels": []}, ["the labels are missing"]),
        ({"regions_class_order": [1, 2]}, ["the order of painting does not fit the regions", "3 values"]),
        ({"channel_names": {"0": "T1", "2": "T2"}}, ["channel_names: a channel is missing (got the numbers 0, 2"]),
        ({"channel_names": {}}, ["the channels are missing"]),
        ({"file_ending": "nii"}, ["this is no ending of a file"]),
        ({"file_ending": "/../.nii"}, ["this is no ending of a file"]),
        ({"file_ending": ".ni\0i"}, ["this is no ending of a file"]),
        ({"file_ending": ".npz"}, ["this file format is not supported"]),
        ({"test": ["x" * 5000]}, ["the image is missing"]),
        ({"training": 7}, ["the cases are not listed"]),
        ({"training": [{"image": "a"}, 3]}, ["training.0: this case has no image or no mask", "training.1"]),
        ({"numTraining": "many"}, ["numTraining: this is no number of cases"]),
    ],
)
def test_a_description_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: list[str]) -> None:
    folder = describe(tmp_path / "Dataset004", SECOND | changes)
    told = refused(folder)
    for words in said:
        assert words in told


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b'{"name": 1}',
        b"\xff\xfe\x00",
        b'{"labels": NaN}',
        b'{"labels": {"a": 1, "a": 2}}',
        b"[" * 20_000,
    ],
)
def test_what_is_no_description(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "dataset.json").write_bytes(text)
    assert "dataset.json" in refused(tmp_path)


def test_a_folder_without_a_description(tmp_path: Path) -> None:
    assert "dataset.json" in refused(tmp_path)
    with pytest.raises(InputError):
        import_nnunet(tmp_path / "nowhere")


def test_nothing_of_somebody_else_is_replaced(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "Dataset005", SECOND)
    (folder / "study.yaml").write_text("mine")
    with pytest.raises(InputError, match="Nothing was replaced"):
        import_nnunet(folder)
    assert (folder / "study.yaml").read_text() == "mine"
    assert not (folder / "data.csv").exists()
    (folder / "study.yaml").unlink()
    import_nnunet(folder)
    import_nnunet(folder)
    with (folder / "study.yaml").open("a") as handle:
        handle.write("# changed by hand\n")
    with pytest.raises(InputError, match="changed since"):
        import_nnunet(folder)


def test_the_command_says_what_is_next(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "Dataset006", SECOND)
    done = CliRunner().invoke(app, ["import-nnunet", str(folder), "--json"], catch_exceptions=False)
    found = json.loads(done.output)
    assert (found["training"], found["test"], len(found["files"])) == (4, 2, 3)
    again = CliRunner().invoke(app, ["import-nnunet", str(folder)], catch_exceptions=False)
    assert f"next: wardround check {folder / 'study.yaml'} --manifest {folder / 'data.csv'} --full" in " ".join(
        again.output.split()
    )


@pytest.mark.shared_data
def test_real_images_of_the_decathlon(tmp_path: Path) -> None:
    source = shared_data() / "hippocampus"
    folder = tmp_path / "Task04_Hippocampus"
    names = sorted(path.name for path in (source / "images").iterdir())[:12]
    for place, target in (("images", "imagesTr"), ("labels", "labelsTr")):
        (folder / target).mkdir(parents=True)
        for name in names:
            shutil.copy(source / place / name, folder / target / name)
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    listed = [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names]
    content = {"name": "Hippocampus", "modality": {"0": "MRI"}, "labels": labels, "numTraining": 12}
    describe(folder, content | {"training": listed, "test": []})
    import_nnunet(folder)
    study = load_study(folder / "study.yaml")
    assert study.classes == {"Anterior": 1, "Posterior": 2}
    assert study.preprocessing[1].parameters.model_dump()["spacing"] == (1.0, 1.0, 1.0)
    assert np.all(np.array(study.patches.size) % 16 == 0)
    assert "no problems" in check(folder, "--full")

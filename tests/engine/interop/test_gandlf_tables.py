"""GaNDLF's tables work unchanged, and those of its sets are joined."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engine.interop.datasets import write_dataset
from tests.engine.interop.gandlf_files import SEGMENTATION, changed, said, write
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.interop.gandlf import import_gandlf


def tables(folder: Path) -> Path:
    """A table as GaNDLF has it, and its images."""
    write_dataset(folder, {"channel_names": {"0": "a", "1": "b"}, "labels": {"background": 0, "x": 1}})
    rows = [
        [f"case_{n}", f"imagesTr/case_{n}_0000.nii.gz", f"imagesTr/case_{n}_0001.nii.gz", f"labelsTr/case_{n}.nii.gz"]
        for n in range(4)
    ]
    with (folder / "train.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["SubjectID", "Channel_0", "Channel_1", "Label"], *rows])
    return folder / "train.csv"


def checked(study: Path, manifest: Path) -> str:
    return CliRunner().invoke(app, ["check", str(study), "--manifest", str(manifest)]).output


PLAIN = changed(
    SEGMENTATION,
    {
        "model.class_list": [0, 1, 2, 3, 4],
        "data_preprocessing": {"normalize": None},
        "nested_training": {"testing": -2, "validation": -2},
        "patch_size": 32,
        "inference_mechanism": {"patch_overlap": 8},
    },
)


def test_a_table_works_unchanged(tmp_path: Path) -> None:
    table = tables(tmp_path)
    before = table.read_bytes()
    made = import_gandlf(write(tmp_path, PLAIN), {"": table}, tmp_path / "study.yaml")
    assert made.manifest == table
    assert table.read_bytes() == before
    assert not (tmp_path / "data.csv").exists()
    assert "no problems" in checked(tmp_path / "study.yaml", table)


def test_tables_of_sets_are_joined_with_paths_that_lead_to_the_images(tmp_path: Path) -> None:
    table = tables(tmp_path / "data")
    header, *rows = table.read_text().splitlines()
    for name, some in (("a", rows[:2]), ("b", rows[2:3]), ("c", rows[3:])):
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join([header, *some]) + "\n")
    out = tmp_path / "study" / "study.yaml"
    given = [
        f"--{name}={tmp_path / 'data' / file}.csv"
        for name, file in zip(("train", "validation", "test"), "abc", strict=True)
    ]
    done = CliRunner().invoke(app, ["import-gandlf", str(write(tmp_path, PLAIN)), *given, "--out", str(out), "--json"])
    assert json.loads(done.output)["manifest"] == str(out.parent / "data.csv")
    with (out.parent / "data.csv").open(newline="") as handle:
        joined = list(csv.DictReader(handle))
    assert [row["Split"] for row in joined] == ["train", "train", "validation", "test"]
    assert joined[0]["Channel_0"] == "../data/imagesTr/case_0_0000.nii.gz"
    assert "no problems" in checked(out, out.parent / "data.csv")


def test_columns_that_gandlf_knows_by_a_part_of_their_name(tmp_path: Path) -> None:
    table = tables(tmp_path)
    lines = table.read_text().splitlines()
    table.write_text("\n".join(["patient_id,T1 modality,T2 modality,Mask", *lines[1:]]) + "\n")
    made = import_gandlf(write(tmp_path, PLAIN), {"": table}, tmp_path / "study.yaml")
    assert made.manifest == tmp_path / "data.csv"
    assert (tmp_path / "data.csv").read_text().startswith("SubjectID,Channel_0,Channel_1,Label\n")
    assert "no problems" in checked(tmp_path / "study.yaml", tmp_path / "data.csv")
    assert "Mask" in said(made, "the table")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--manifest", "--train"], "do not go together"),
        (["--train"], "do not go together"),
        (["--test"], "do not go together"),
    ],
)
def test_tables_that_do_not_go_together(tmp_path: Path, given: list[str], told: str) -> None:
    table, config = tables(tmp_path), write(tmp_path, PLAIN)
    words = [word for each in given for word in (each, str(table))]
    done = CliRunner().invoke(app, ["import-gandlf", str(config), *words, "--out", str(tmp_path / "s.yaml")])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)


def test_tables_with_other_columns(tmp_path: Path) -> None:
    table = tables(tmp_path)
    (tmp_path / "other.csv").write_text("SubjectID,Channel_0,Label\na,b,c\n")
    with pytest.raises(InputError, match="other columns"):
        import_gandlf(
            write(tmp_path, PLAIN), {"train": table, "validation": tmp_path / "other.csv"}, tmp_path / "s.yaml"
        )


def test_nothing_of_somebody_else_is_replaced(tmp_path: Path) -> None:
    config = write(tmp_path, PLAIN)
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(InputError, match="Nothing was replaced"):
        import_gandlf(config, {}, tmp_path / "study.yaml")
    assert (tmp_path / "study.yaml").read_text() == "mine"


def test_a_study_is_not_written_over_the_joined_tables(tmp_path: Path) -> None:
    table = tables(tmp_path)
    with pytest.raises(InputError, match=r"a study is no table .*got data.csv.*--out study.yaml"):
        import_gandlf(write(tmp_path, PLAIN), {"train": table, "validation": table}, tmp_path / "made" / "data.csv")
    assert not (tmp_path / "made").exists()

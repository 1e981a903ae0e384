"""`wardround dicom` lists the series of an export, tells nobody's name, and writes a manifest that can be checked."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import dicoms
from tests.support.commands import run_wardround
from tests.support.dicoms import SECRET, dataset, save, voxels, write_multiframe, write_series
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.imaging import read_header
from wardround.engine.imaging.dicom import segment_writing
from wardround.engine.imaging.dicom.catalogue import series_in
from wardround.engine.inspection import Depth, inspect_cohort
from wardround.engine.store import CaseStore

KEY = bytes(range(32))
STUDY = study_of(changed(SEGMENTATION, inputs=["CT"], classes={"liver": 1}, preprocessing=["z_normalize"]))


def _values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 900, (20, 18, 22)).astype(np.int16)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Two patients: two series in one folder, one of them with a segmentation; a gap; radiographs; a report."""
    folder = tmp_path / "export"
    write_series(folder / "p1" / "study", _values(1), series="1.2.1", SeriesNumber=2, SeriesDescription="thin")
    for file in [*(folder / "p1" / "study").iterdir()]:
        file.rename(file.with_name(f"A{file.name}"))
    write_series(folder / "p1" / "study", _values(2), series="1.2.2", SeriesNumber=5)
    write_series(folder / "p2", np.delete(_values(3), 4, axis=0), series="1.2.3", PatientID="OTHER-9", change=_with_gap)
    for name in ("front", "side"):
        made = dataset(voxels()[0].astype(np.uint16), dicoms.DX, "DX", "1.2.9", PixelSpacing=[1, 1], PatientID="X-1")
        save(folder / "xray" / name, made)
    write_multiframe(folder / "mr.dcm", voxels(6))
    report = dataset(voxels()[0], "1.2.840.10008.5.1.4.1.1.88.33", "SR")
    del report.Rows, report.PixelData
    save(folder / "report", report)
    (folder / "Thumbs.db").write_bytes(bytes(9000))
    image = Path(f"{folder}/p1/study#2")
    mask = np.random.default_rng(0).integers(0, 2, read_header(image).geometry.shape).astype(np.uint8)
    segment_writing.write(folder / "p1" / "mask.dcm", mask, ("liver",), image)
    return folder


def _with_gap(number: int, made: object) -> None:
    made.ImagePositionPatient = [0.0, 0.0, 2.0 * (number + (number > 8))]  # type: ignore[attr-defined]


def test_each_image_is_listed_with_the_cell_that_names_it(export: Path) -> None:
    found = series_in(export, KEY)
    listed = {str(each.path.relative_to(export)): each for each in found.series}
    assert {*listed} == {"p1/study#2", "p1/study#5", "p2", "xray/front", "xray/side", "mr.dcm"}
    assert [each.problems[0].what for each in found.series if each.problems] == ["a slice is missing"]
    assert listed["p1/study#2"].segmentations == (export / "p1" / "mask.dcm",)
    assert listed["p1/study#2"].description == "thin"
    assert len({each.subject for each in found.series}) == 6
    assert len({each.patient for each in found.series}) == 3
    assert found.others == {"a structured report, which holds no image": 1, "a segmentation (DICOM-SEG)": 1}
    assert found.strangers == (export / "Thumbs.db",)
    for name, each in listed.items():
        if not each.problems:
            assert read_header(each.path).geometry == each.grid, name


def test_the_list_names_no_patient(export: Path) -> None:
    outcome = run_wardround("dicom", export, "--descriptions")
    assert outcome.code == 0
    assert "thin" not in run_wardround("dicom", export).out + run_wardround("dicom", export, "--json").out
    assert (
        "p1/study#2: CT 'thin', 20 files, 22 x 18 x 20 voxels of 0.6 x 0.8 x 2.5 mm, 1 x DICOM-SEG (p-" in outcome.out
    )
    assert "a slice is missing (got 19 slices of 20, 2 mm apart" in outcome.out
    assert "not an image: 1 x a structured report" in outcome.out
    assert "no DICOM: 1 files, such as Thumbs.db" in outcome.out
    for secret in (SECRET, "SECRET-ID-77", "OTHER-9", "Hidden", "19700101"):
        assert secret not in outcome.out + outcome.err + json.dumps(run_wardround("dicom", export, "--json").out)


def test_the_manifest_can_be_checked_and_stored(export: Path, tmp_path: Path) -> None:
    table = tmp_path / "tables" / "data.csv"
    table.parent.mkdir()
    outcome = run_wardround("dicom", export, "--manifest", table)
    assert f"5 rows written: {table}; 1 that cannot be read is left out" in outcome.out
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["PatientID"] for row in rows}) == 2
    assert [row["Label"] for row in rows if row["Label"]] == ["../export/p1/mask.dcm"]
    wanted = [row for row in rows if row["Label"]]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(wanted)
    cohort = read_manifest(table, STUDY, truth=Truth.REQUIRED)
    inspect_cohort(STUDY, cohort, Depth.STEPS)
    (stored,) = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    assert stored.label is not None
    held = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"Secret" not in held
    assert b"SECRET-ID" not in held
    again = run_wardround("dicom", export, "--manifest", table)
    assert again.code == 2
    assert "there is a file of this name already" in again.err


def test_names_of_rows_stay_when_an_export_is_copied(export: Path, tmp_path: Path) -> None:
    names = {each.subject for each in series_in(export, KEY).series}
    export.rename(tmp_path / "moved")
    assert {each.subject for each in series_in(tmp_path / "moved", KEY).series} == names


def test_pseudonyms_are_others_in_every_call_but_with_a_key(export: Path, tmp_path: Path) -> None:
    key = tmp_path / "keys" / "pseudonyms.key"

    def patients(*words: object) -> list[str]:
        outcome = run_wardround("dicom", export, "--json", *words)
        assert outcome.code == 0, outcome.err
        return [each["patient"] for each in outcome.json["series"]]

    one, other = patients(), patients()
    assert not {*one} & {*other}
    assert [one.index(each) for each in one] == [other.index(each) for each in other]
    kept = patients("--key-file", key)
    assert key.stat().st_mode & 0o077 == 0
    assert patients("--key-file", key) == kept
    guess = hashlib.sha256(b"^OTHER-9").hexdigest()[:12]
    assert f"p-{guess}" not in kept + one


@pytest.mark.parametrize(("content", "mode", "told"), [(b"short", 0o600, "too short"), (b"x" * 40, 0o644, "chmod 600")])
def test_a_key_that_is_no_secret_is_refused(export: Path, tmp_path: Path, content: bytes, mode: int, told: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(mode)
    outcome = run_wardround("dicom", export, "--key-file", key)
    assert outcome.code == 2
    assert told in outcome.err


def test_json_has_all_of_it(export: Path) -> None:
    told = json.loads(run_wardround("dicom", export, "--json").out)
    assert {each["modality"] for each in told["series"]} == {"CT", "DX", "MR"}
    assert sum(bool(each["problems"]) for each in told["series"]) == 1
    assert told["others"]["a structured report, which holds no image"] == 1


@pytest.mark.parametrize("content", [None, b"text", b""])
def test_folders_without_series_are_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if content is not None:
        (folder / "file.dcm").write_bytes(content)
    outcome = run_wardround("dicom", folder)
    assert outcome.code == 2
    assert "the folder holds no DICOM image" in outcome.err
    assert run_wardround("dicom", tmp_path / "nowhere").code == 2


def test_a_damaged_file_of_an_export_is_told_and_the_others_are_listed(export: Path) -> None:
    (export / "torn").write_bytes((export / "report").read_bytes()[:140] + b"\xff" * 99)
    outcome = run_wardround("dicom", export)
    assert outcome.code == 0
    assert "cannot be read: " in outcome.out
    assert "torn" in outcome.out

"""A series goes into the store as any file does: read once, named by its bytes, known again until one changes."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.dicoms import write_series
from tests.support.images import write_table
from tests.support.studies import REGRESSION, SEGMENTATION, TABLE, changed, study_of
from wardround.engine.basics import filemarks
from wardround.engine.basics.filemarks import sampled_digest, state_of
from wardround.engine.basics.places import Place, files_at, folder_place
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import SILENT
from wardround.engine.cohort import Case, Cohort, Truth, read_manifest
from wardround.engine.cohort.paths import holds_dicom
from wardround.engine.imaging import holding, read_header, read_image, read_label, write_label
from wardround.engine.imaging.dicom import segment_writing, series
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.regridding import regridding_of, resampled_image, resampled_mask
from wardround.engine.imaging.formats import is_dicom
from wardround.engine.imaging.holding import hold, read_digest, read_size
from wardround.engine.imaging.lossy import lossy_kind
from wardround.engine.imaging.sources import HeldFolder, HeldSource, Source
from wardround.engine.inspection import Depth, inspect_cohort, twins
from wardround.engine.inspection.headers import inspect_headers
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.inspection.twins import contents_of, copies_of
from wardround.engine.planning.decision import Budget
from wardround.engine.planning.matter import read_matter
from wardround.engine.planning.plan import plan_study
from wardround.engine.planning.reading import read_fingerprint
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.store import CaseStore
from wardround.engine.store.preparing import content_key, storage_key

STUDY = study_of(changed(SEGMENTATION, preprocessing=["z_normalize"]))
RESAMPLING = study_of(changed(SEGMENTATION, preprocessing=["z_normalize"], dicom={"uneven": "resample"}))
ACCEPTING = study_of(changed(SEGMENTATION, preprocessing=["z_normalize"], dicom={"burned_in": "accept"}))
BUDGET = Budget(1_000_000_000, 100)


def _values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 900, (20, 18, 22)).astype(np.int16)


def _case(folder: Path, name: str = "one", seed: int = 0) -> Case:
    """A series, and a segmentation of it."""
    write_series(folder / name, _values(seed))
    grid = read_header(folder / name).geometry
    mask = np.random.default_rng(seed).integers(0, 3, grid.shape).astype(np.uint8)
    segment_writing.write(folder / f"{name}.dcm", mask, ("left", "right"), folder / name)
    return Case(name, name, (folder / name,), folder / f"{name}.dcm", None, None, 1)


def test_a_manifest_names_folders_and_series_of_them(tmp_path: Path) -> None:
    _case(tmp_path)
    write_series(tmp_path / "mixed" / "a", series="1.2.3", SeriesNumber=4)
    write_series(tmp_path / "mixed" / "b", series="1.2.4", SeriesNumber=5)
    (tmp_path / "empty").mkdir()
    rows = [("k1", "one", "one.dcm"), ("k2", "mixed/#1.2.3", "one.dcm"), ("k3", "mixed#5", "one.dcm")]
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)
    cases = read_manifest(table, STUDY, truth=Truth.REQUIRED).cases
    assert [folder_place(case.channels[0]) for case in cases] == [
        Place(tmp_path / "one"),
        Place(tmp_path / "mixed", "1.2.3"),
        Place(tmp_path / "mixed", "5"),
    ]
    bad = [("k1", "empty", "one.dcm"), ("k2", "mixed#first", "one.dcm"), ("k3", "nowhere#4", "one.dcm")]
    write_table(table, ("SubjectID", "Channel_0", "Label"), bad)
    with pytest.raises(InputError) as caught:
        read_manifest(table, STUDY, truth=Truth.REQUIRED)
    told = [problem.render() for problem in caught.value.problems]
    assert "this is a folder without DICOM files" in told[0]
    assert "Behind # stands a SeriesNumber or a SeriesInstanceUID; `wardround dicom" in told[1]
    assert "there is no such file" in told[2]


def test_what_exists_by_its_whole_name_is_that(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case#4").write_bytes(b"")
    assert folder_place(tmp_path / "case#4") is None
    assert files_at(tmp_path / "case#4") == (tmp_path / "case#4",)
    assert folder_place(tmp_path / "case#5") == Place(tmp_path / "case", "5")


def test_the_digest_of_a_series_is_over_its_bytes_and_not_over_names_or_neighbours(tmp_path: Path) -> None:
    case = _case(tmp_path)
    digest = read_digest(case.channels[0])
    other = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "one", other)
    for number, file in enumerate(sorted(other.iterdir())):
        file.rename(other / f"slice-{99 - number}.ima")
    (other / "notes.txt").write_text("nothing of the image")
    assert read_digest(other) == digest == hold(other).digest
    changed_file = other / "slice-99.ima"
    changed_file.write_bytes(changed_file.read_bytes()[:-1] + b"\7")
    assert read_digest(other) != digest


def test_a_held_series_is_what_it_was_and_is_given_back(tmp_path: Path) -> None:
    folder = _case(tmp_path).channels[0]
    expected, size = read_image(folder), read_size(folder)
    source = hold(folder)
    assert isinstance(source, HeldFolder)
    assert size == sum(file.stat().st_size for file in folder.iterdir())
    shutil.rmtree(folder)
    np.testing.assert_array_equal(read_image(source).data, expected.data)
    with pytest.raises((OSError, ValueError)):
        read_image(source)


def test_each_file_is_read_once_on_the_way_into_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, held = _case(tmp_path), list[Path]()

    class Noted(HeldFolder):
        def _hold(self, file: Path) -> str:
            held.append(file)
            digest = super()._hold(file)
            file.write_bytes(file.read_bytes()[:400])  # what is decoded is what was named
            return digest

    before = CaseStore(tmp_path / "before").open_case(STUDY, case)
    monkeypatch.setattr(holding, "HeldFolder", Noted)
    stored = CaseStore(tmp_path / "store").open_case(STUDY, case)
    assert len(held) == len({*held}) == 20
    assert stored.digest == before.digest
    np.testing.assert_array_equal(stored.image, before.image)


def test_a_stored_case_has_the_voxels_and_the_segments(tmp_path: Path) -> None:
    case = _case(tmp_path)
    stored = CaseStore(tmp_path / "store").open_case(STUDY, case)
    grid = read_header(case.channels[0]).geometry
    assert case.label is not None
    np.testing.assert_array_equal(np.asarray(stored.label), read_label(case.label, grid)[0])
    write_label(tmp_path / "same.nii.gz", read_label(case.label, grid)[0], grid)
    as_nifti = replace(case, label=tmp_path / "same.nii.gz")
    other = CaseStore(tmp_path / "store").open_case(STUDY, as_nifti)
    np.testing.assert_array_equal(np.asarray(other.label), np.asarray(stored.label))
    assert other.content == stored.content


def test_a_series_is_known_again_until_a_file_comes_goes_or_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filemarks, "SETTLED_SECONDS", 0)
    case = _case(tmp_path)
    store = CaseStore(tmp_path / "store")
    store.open_case(STUDY, case)
    monkeypatch.setattr(holding, "HeldFolder", None)  # whoever reads it again fails
    monkeypatch.setattr(holding, "HeldSource", None)
    CaseStore(tmp_path / "store").open_case(STUDY, case)
    folder, file = case.channels[0], case.channels[0] / "IM0003"
    seen, sample = state_of(folder), sampled_digest(folder)
    content, times = file.read_bytes(), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    filemarks.os.utime(file, ns=times)
    assert sampled_digest(folder) != sample
    file.write_bytes(content)
    (folder / "more").write_bytes(b"x")
    assert state_of(folder) != seen
    (folder / "more").unlink()
    file.unlink()
    assert state_of(folder) != seen


def test_the_same_series_in_two_folders_is_found(tmp_path: Path) -> None:
    first = replace(_case(tmp_path), label=None)
    shutil.copytree(tmp_path / "one", tmp_path / "again")
    (tmp_path / "again" / "notes.txt").write_text("beside")
    again = replace(first, subject="two", channels=(tmp_path / "again",))
    other = replace(_case(tmp_path, "three", 1), label=None)
    cohort = Cohort(tmp_path / "data.csv", (first, again, other))
    grid = read_header(tmp_path / "one").geometry
    found = copies_of(cohort, {case.subject: CaseFacts(grid) for case in cohort.cases})
    assert {*found} == {"one", "two"}
    assert found["one"].image == found["two"].image


def test_a_header_is_read_once_however_many_series_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand scans have some hundred thousand files: whether two are the same needs no second look at their headers
    where their sizes differ, although all have one shape."""
    many, read = 18, Counter[Path]()  # more than are remembered
    for number in range(many):
        write_series(tmp_path / f"s{number}", _values(0)[:2], ImageComments="x" * 2 * number)
    rows = [(f"c{number}", f"s{number}", str(number)) for number in range(many)]
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict"), rows)
    look = series.read_instance

    def counted(source: Source, file: Path) -> Instance:
        read[file] += 1
        return look(source, file)

    monkeypatch.setattr(series, "read_instance", counted)
    monkeypatch.setattr(twins, "VOXELS_READ", 0)
    model = {"name": "resnet", "dimensions": 3, "stem": "small", "norm": "group"}
    study = study_of(
        changed(REGRESSION, model=model, patches={"size": [16, 16, 16]}, preprocessing=[], augmentation=[])
    )
    cohort = read_manifest(table, study, truth=Truth.REQUIRED)
    facts = {case.subject: inspect_headers(study, cohort, case, Findings()) for case in cohort.cases}
    assert contents_of(cohort, {subject: each for subject, each in facts.items() if each is not None}) == ({}, False)
    assert (len(read), set(read.values())) == (2 * many, {1})


def test_a_segmentation_of_another_scan_is_refused_with_its_row(tmp_path: Path) -> None:
    _case(tmp_path)
    _case(tmp_path, "two", 1)
    rows = [("one", "one", "two.dcm"), ("two", "two", "two.dcm")]
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)
    cohort = read_manifest(table, STUDY, truth=Truth.REQUIRED)
    with pytest.raises(InputError) as caught:
        inspect_cohort(STUDY, cohort, Depth.HEADERS)
    problem = caught.value.problems[0]
    assert problem.what == "the segmentation was drawn on another scan than the image"
    assert problem.where == "data.csv:2, subject 'one', Label (two.dcm)"
    inspect_cohort(STUDY, replace(cohort, cases=cohort.cases[1:]), Depth.STEPS)


def test_a_held_file_is_still_a_file(tmp_path: Path) -> None:
    case = _case(tmp_path)
    assert case.label is not None
    with HeldSource(case.label) as source:
        grid = read_header(case.channels[0]).geometry
        np.testing.assert_array_equal(read_label(source, grid)[0], read_label(case.label, grid)[0])


def _uneven(number: int, made: object) -> None:
    made.ImagePositionPatient = [0.0, 0.0, 2.0 * number + (0.7 if number == 8 else 0.0)]  # type: ignore[attr-defined]


def _uneven_case(folder: Path) -> Case:
    """A series at uneven distances, and a segmentation that was drawn on its slices."""
    write_series(folder / "one", _values(0), change=_uneven)
    grid = read_header(folder / "one", RESAMPLING.dicom).geometry
    mask = np.random.default_rng(0).integers(0, 3, grid.shape).astype(np.uint8)
    segment_writing.write(folder / "one.dcm", mask, ("left", "right"), folder / "one", RESAMPLING.dicom)
    return Case("one", "one", (folder / "one",), folder / "one.dcm", None, None, 1)


def test_a_study_that_has_series_resampled_keeps_them_apart_in_the_store(tmp_path: Path) -> None:
    case, store = _uneven_case(tmp_path), CaseStore(tmp_path / "store")
    with pytest.raises(InputError, match="uneven distances"):
        store.open_case(STUDY, case)
    stored = store.open_case(RESAMPLING, case)
    how = regridding_of(tmp_path / "one")
    expected = Pipeline(RESAMPLING).apply(Sample(resampled_image(how), resampled_mask(how, tmp_path / "one.dcm")))
    np.testing.assert_array_equal(stored.image, expected.image.data)
    np.testing.assert_array_equal(np.asarray(stored.label), expected.label)
    again = CaseStore(tmp_path / "store").open_case(RESAMPLING, case)
    np.testing.assert_array_equal(again.image, stored.image)
    assert again.folder == stored.folder
    with pytest.raises(InputError, match="uneven distances"):  # what is stored is no way around the study's word
        CaseStore(tmp_path / "store").open_case(STUDY, case)
    keys = {storage_key(Pipeline(study), "0" * 64) for study in (STUDY, RESAMPLING, ACCEPTING)}
    assert len(keys) == 3
    assert len({content_key(study, "0" * 64) for study in (STUDY, RESAMPLING, ACCEPTING)}) == 3


def test_a_check_reads_an_uneven_series_as_the_study_says(tmp_path: Path) -> None:
    case = _uneven_case(tmp_path)
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), [("one", "one", "one.dcm")])
    with pytest.raises(InputError, match=r"line.*uneven distances|uneven distances.*`dicom: \{uneven: resample\}`"):
        inspect_cohort(STUDY, read_manifest(table, STUDY, truth=Truth.REQUIRED), Depth.STEPS)
    cohort = read_manifest(table, RESAMPLING, truth=Truth.REQUIRED)
    for depth in (Depth.HEADERS, Depth.STEPS):
        inspect_cohort(RESAMPLING, cohort, depth)
    facts = inspect_headers(RESAMPLING, cohort, case, Findings())
    assert facts is not None
    assert any("was resampled onto an even grid" in remark.what for remark in facts.remarks)
    matter = read_matter(table, RESAMPLING, None)
    with pytest.raises(InputError, match="uneven distances"):
        read_fingerprint(matter.cohort, SILENT)
    plan = plan_study(matter, read_fingerprint(matter.cohort, SILENT, matter.dicom), BUDGET, tmp_path / "study.yaml")
    assert plan.study.dicom == RESAMPLING.dicom


def test_a_study_of_a_table_says_nothing_of_dicom() -> None:
    with pytest.raises(ValidationError, match="a study without images reads no DICOM"):
        study_of(changed(TABLE, dicom={"uneven": "resample"}))


def test_a_pipe_among_the_slices_is_named_and_nobody_waits(tmp_path: Path) -> None:
    case = _case(tmp_path)
    pipe = tmp_path / "one" / "zz"
    os.mkfifo(pipe)
    for read in (read_header, read_image, read_digest, read_size):
        with pytest.raises(InputError, match=r"zz: the image cannot be read \(got a pipe, a socket or a device"):
            read(tmp_path / "one")
    with pytest.raises(InputError, match="pipe"):
        sampled_digest(tmp_path / "one")
    with pytest.raises(InputError, match="pipe"):
        CaseStore(tmp_path / "store").open_case(STUDY, case)
    for name in ("mask.dcm", "mask", "mask.nii.gz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="pipe"):
            read_label(tmp_path / name)
        assert not is_dicom(tmp_path / "mask")
        assert lossy_kind(tmp_path / name) == ""
    os.mkfifo(tmp_path / "AA")
    assert holds_dicom(tmp_path)

"""A case is stored once, whole or not at all, whoever builds it and whatever interrupts."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics import files
from wardround.engine.basics.blocks import BLOCK
from wardround.engine.basics.files import DiskFullError
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Truth, case_digest, read_manifest, twins
from wardround.engine.imaging import Image, read_label, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing import Pipeline, read_sample
from wardround.engine.store import CaseStore, entries, preparing
from wardround.engine.store.digests import DigestIndex
from wardround.engine.store.entries import foreground_of

STUDY = study_of(SEGMENTATION)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return read_manifest(write_segmentation_cohort(tmp_path / "data", cases=3), STUDY, truth=Truth.REQUIRED)


@pytest.fixture
def cases(tmp_path: Path) -> CaseStore:
    return CaseStore(tmp_path / "store")


def _left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "cases").rglob("*") if path.is_file() or path.name.startswith("."))


def test_cached_equals_uncached(cases: CaseStore, cohort: Cohort) -> None:
    for case, stored in zip(cohort.cases, cases.open_cases(STUDY, cohort.cases), strict=True):
        fresh = Pipeline(STUDY).apply(read_sample(STUDY, case))
        np.testing.assert_array_equal(stored.image, fresh.image.data)
        assert fresh.label is not None
        assert stored.label is not None
        np.testing.assert_array_equal(stored.label, fresh.label)
        assert (stored.image.dtype, stored.label.dtype) == (np.float32, np.uint8)
        assert stored.geometry == fresh.image.geometry
        assert stored.native == read_sample(STUDY, case).image.geometry
        assert stored.digest == case_digest(case)
        assert stored.target is None


def test_a_second_opening_reads_no_source(cases: CaseStore, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cases.open_case(STUDY, cohort.cases[0])

    def fail(*_: object) -> None:
        raise AssertionError("the sources were read again")

    monkeypatch.setattr(preparing, "read_sample", fail)
    again = cases.open_case(STUDY, cohort.cases[0])
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.image, first.image)


def test_what_is_mapped_cannot_be_written(cases: CaseStore, cohort: Cohort) -> None:
    stored = cases.open_case(STUDY, cohort.cases[0])
    with pytest.raises(ValueError, match="read-only"):
        stored.image[0, 0, 0, 0] = 1


def test_open_cases_hold_no_file_descriptors(cases: CaseStore, cohort: Cohort) -> None:
    before = len(os.listdir("/proc/self/fd"))
    opened = cases.open_cases(STUDY, cohort.cases)
    assert [stored.image.shape[0] for stored in opened] == [1, 1, 1]
    assert len(os.listdir("/proc/self/fd")) == before + 1  # the list of what is in use


def test_foreground_coordinates_lie_in_their_class(cases: CaseStore, cohort: Cohort) -> None:
    stored = cases.open_case(STUDY, cohort.cases[0])
    assert stored.label is not None
    assert sorted(stored.foreground) == [1, 2]
    for index, voxels in stored.foreground.items():
        assert voxels.dtype == np.int32
        assert (stored.label[tuple(voxels.T)] == index).all()
        assert len(voxels) == (stored.label == index).sum()


def test_at_most_ten_thousand_coordinates_a_class() -> None:
    label = np.zeros((50, 50, 50), np.uint8)
    label[:30] = 2
    found = foreground_of(label, "ab")
    assert list(found) == [2]
    assert found[2].shape == (10_000, 3)
    assert len(np.unique(found[2], axis=0)) == 10_000
    np.testing.assert_array_equal(foreground_of(label, "ab")[2], found[2])
    assert (foreground_of(label, "cd")[2] != found[2]).any()


def test_coordinates_of_a_mask_of_several_blocks_are_those_of_numpy() -> None:
    """A mask is gone through in blocks; in each a class has voxels, few enough in all to be kept whole."""
    label = np.zeros((130, 128, 192), np.uint8)
    assert label.size > 3 * BLOCK
    generator = np.random.default_rng(3)
    label.reshape(-1)[generator.choice(label.size, 9_000, replace=False)] = 1
    label[-1, -1, -1] = 2
    found = foreground_of(label, "ab")
    for index in (1, 2):
        np.testing.assert_array_equal(found[index], np.argwhere(label == index))


def test_voxels_that_count_are_listed_where_some_do_not() -> None:
    label = np.random.default_rng(0).integers(0, 4, (9, 8, 7)).astype(np.uint8)
    found = foreground_of(label, "ab", ignored=3)
    assert list(found) == [0, 1, 2]
    np.testing.assert_array_equal(found[0], np.argwhere(label != 3))
    np.testing.assert_array_equal(found[2], np.argwhere(label == 2))
    label[label == 3] = 0
    assert list(foreground_of(label, "ab", ignored=3)) == [1, 2], "where all count nothing is listed for it"
    assert foreground_of(np.full((4, 4), 3, np.uint8), "ab", ignored=3) == {}


def test_what_is_ignored_is_another_entry(cases: CaseStore, cohort: Cohort) -> None:
    case = cohort.cases[0]
    first, second = (
        cases.open_case(study_of(SEGMENTATION | {"classes": {"left": 1}, "rest": "background", "ignore": ignore}), case)
        for ignore in (None, 2)
    )
    assert first.label is not None
    assert second.label is not None
    assert first.folder != second.folder
    assert sorted(np.unique(second.label)) == [0, 1, 2]
    assert second.classes == first.classes == {1}
    assert 0 in second.foreground
    assert 0 not in first.foreground


def test_other_preprocessing_is_another_entry_and_other_training_is_not(cases: CaseStore, cohort: Cohort) -> None:
    case = cohort.cases[0]
    first = cases.open_case(STUDY, case)
    other = cases.open_case(study_of(changed(SEGMENTATION, preprocessing=[{"orient": "LPS"}])), case)
    same = cases.open_case(study_of(changed(SEGMENTATION, patches={"size": [8, 8, 8]}, seed=7)), case)
    assert other.folder != first.folder
    assert same.folder == first.folder


def test_changed_sources_are_noticed(cases: CaseStore, cohort: Cohort) -> None:
    case = cohort.cases[0]
    first = cases.open_case(STUDY, case)
    image = read_sample(STUDY, case).image
    write_image(case.channels[0], Image(image.data + 1, image.geometry))
    second = cases.open_case(STUDY, case)
    assert (second.digest, second.folder) != (first.digest, first.folder)


def test_a_damaged_index_is_made_anew(tmp_path: Path, cases: CaseStore, cohort: Cohort) -> None:
    digest = cases.open_case(STUDY, cohort.cases[0]).digest
    (tmp_path / "store" / "digests.sqlite").write_bytes(b"not a database" * 100)
    assert cases.open_case(STUDY, cohort.cases[0]).digest == digest


def test_an_index_that_cannot_be_opened_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "digests.sqlite"
    path.mkdir()  # as unusable for anybody as somebody else's file is
    with pytest.raises(PermissionError) as told:
        DigestIndex(path).note_content("key", twins.Content("image", "truth"))
    assert told.value.filename == str(path)


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "foreground.npy", "case.json"])
@pytest.mark.parametrize("damage", [0, 0.5, None])
def test_a_damaged_entry_is_rebuilt(cases: CaseStore, cohort: Cohort, name: str, damage: float | None) -> None:
    stored = cases.open_case(STUDY, cohort.cases[0])
    expected = stored.image.copy()
    path = stored.folder / name
    del stored
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(damage * path.stat().st_size)])
    np.testing.assert_array_equal(cases.open_case(STUDY, cohort.cases[0]).image, expected)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), RuntimeError("stop")])
def test_an_interrupted_build_leaves_nothing(
    tmp_path: Path, cases: CaseStore, cohort: Cohort, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(path: Path) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(entries, "fsync_folder", interrupted)
        with pytest.raises(InputError if isinstance(error, OSError) else type(error)):
            cases.open_cases(STUDY, cohort.cases)
    assert _left(tmp_path / "store") == []
    assert len(cases.open_cases(STUDY, cohort.cases)) == 3


def test_a_disk_without_room_is_told_before_writing(
    tmp_path: Path, cases: CaseStore, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(files.os, "statvfs", lambda _: Full)
    with pytest.raises(InputError, match="too full"):
        cases.open_case(STUDY, cohort.cases[0])
    assert not (tmp_path / "store" / "cases").exists()
    with pytest.raises(DiskFullError) as caught:
        cases.open_cases(STUDY, cohort.cases)
    assert len(caught.value.problems) == 1  # it is one fault, however many cases wait


def _build_and_die(root: Path, case: Case) -> None:
    entries.fsync_folder = lambda _: os._exit(9)  # type: ignore[assignment]
    CaseStore(root).open_case(STUDY, case)


def test_what_a_killed_builder_left_is_removed_by_the_next(tmp_path: Path, cases: CaseStore, cohort: Cohort) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_build_and_die, args=(tmp_path / "store", cohort.cases[0])
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    assert any(name.startswith(".") for name in _left(tmp_path / "store"))
    assert cases.list() == ()
    cases.open_case(STUDY, cohort.cases[0])
    assert _left(tmp_path / "store") == ["case.json", "foreground.npy", "image.npy", "label.npy"]


def _build_all(root: Path, cohort: Cohort, go: object) -> None:
    go.wait()  # type: ignore[attr-defined]
    CaseStore(root).open_cases(STUDY, cohort.cases)


def test_processes_that_build_the_same_cases_agree(tmp_path: Path, cases: CaseStore, cohort: Cohort) -> None:
    context = multiprocessing.get_context("spawn")
    go = context.Barrier(2)
    builders = [context.Process(target=_build_all, args=(tmp_path / "store", cohort, go)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert len(cases.list()) == 3
    assert not [name for name in _left(tmp_path / "store") if name.startswith(".")]


def test_the_problems_of_all_cases_are_told_at_once(cases: CaseStore, cohort: Cohort) -> None:
    for case in cohort.cases[:2]:
        flat = plain_geometry(read_sample(STUDY, case).image.geometry.shape)
        write_image(case.channels[0], Image(np.zeros((1, *flat.shape), np.float32), flat))
    with pytest.raises(InputError) as caught:
        cases.open_cases(STUDY, cohort.cases)
    assert len(caught.value.problems) == 2
    assert "case_000" in str(caught.value)
    assert "case_001" in str(caught.value)


def test_a_case_without_contrast_is_named(cases: CaseStore, cohort: Cohort) -> None:
    case = cohort.cases[1]
    grid = read_sample(STUDY, case).image.geometry
    write_image(case.channels[0], Image(np.full((1, *grid.shape), 5, np.float32), grid))
    with pytest.raises(InputError, match=r"subject 'case_001'.*without contrast"):
        cases.open_case(STUDY, case)


@pytest.fixture
def pictures(tmp_path: Path) -> Cohort:
    study = study_of(CLASSIFICATION)
    return read_manifest(write_classification_cohort(tmp_path / "pictures", cases=4), study, truth=Truth.REQUIRED)


def test_pictures_have_targets_and_no_label(cases: CaseStore, pictures: Cohort) -> None:
    opened = cases.open_cases(study_of(CLASSIFICATION), pictures.cases)
    assert [stored.target for stored in opened] == [0, 1, 0, 1]
    assert opened[0].label is None
    assert opened[0].foreground == {}
    assert opened[0].image.shape == (1, 28, 28)


def test_prune_removes_what_was_used_longest_ago(tmp_path: Path, cases: CaseStore, cohort: Cohort) -> None:
    opened = [
        (stored.digest, stored.folder) for stored in CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    ]
    for age, (_, folder) in zip((2e9, 1e9, 3e9), opened, strict=True):
        os.utime(folder / "case.json", (age, age))
    sizes = {entry.digest: entry.bytes for entry in cases.list()}
    removed = cases.prune(sum(sizes.values()) - 1)
    assert [entry.digest for entry in removed] == [opened[1][0]]
    assert [entry.digest for entry in cases.list()] == [opened[0][0], opened[2][0]]
    assert len(cases.prune(0)) == 2


def test_what_a_mask_means_is_part_of_a_stored_cases_name(cases: CaseStore, cohort: Cohort) -> None:
    """Studies that give one value of the same mask to different classes share neither arrays nor digests."""
    case = cohort.cases[0]
    assert case.label is not None
    values, geometry = read_label(case.label)
    write_label(case.label, 2 * values, geometry)
    few, more = (
        study_of(changed(SEGMENTATION, classes=classes))
        for classes in ({"left": 2, "right": 4}, {"left": 2, "middle": 3, "right": 4})
    )
    for study, highest in ((few, 2), (more, 3), (few, 2)):
        stored, expected = cases.open_case(study, case), read_sample(study, case)
        assert expected.label is not None
        np.testing.assert_array_equal(stored.label, Pipeline(study).apply(expected).label)
        assert sorted(stored.foreground) == [1, highest]
        assert stored.content.truth == twins.voxels_digest([expected.label])

"""A file is known again by its state and a sample of its bytes, whatever its times are made to say."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.basics import filemarks
from wardround.engine.basics.canonical import file_sha256
from wardround.engine.basics.filemarks import FileState, sampled_digest, state_of
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.imaging import Image, read_image, write_image
from wardround.engine.store import CaseStore, digests
from wardround.engine.store.digests import DigestIndex

LONG_AGO = (10**18, 10**18)
LARGE = 1_000_000


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits until a file has settled."""
    monkeypatch.setattr(filemarks, "SETTLED_SECONDS", 0)


@pytest.fixture
def _no_time_of_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that does not say when a file was changed."""
    monkeypatch.setattr(digests, "state_of", lambda path: state_of(path)._replace(changed=0))


@pytest.fixture
def index(tmp_path: Path) -> DigestIndex:
    return DigestIndex(tmp_path / "digests.sqlite")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "image.nii"
    path.write_bytes(bytes(LARGE))
    os.utime(path, ns=LONG_AGO)
    return path


def change_in_place(path: Path, place: int) -> None:
    """Another byte, with the size, the time and the inode that the file had."""
    status = path.stat()
    with path.open("r+b") as opened:
        opened.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
        opened.write(b"\xff")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat()[:7] == status[:7]


def reading(index: DigestIndex, path: Path) -> bool:
    """Whether the index has a file read; what it says of it must be true if so."""
    read = []
    digest = index.file_digest(path, lambda path: read.append(path) or file_sha256(path))
    assert not read or digest == file_sha256(path)
    return bool(read)


def test_an_unchanged_file_is_read_once(index: DigestIndex, file: Path, tmp_path: Path) -> None:
    assert [reading(index, file) for _ in range(3)] == [True, False, False]
    with index.batch():
        assert not reading(index, file)
    assert not reading(DigestIndex(tmp_path / "digests.sqlite"), file)


@pytest.mark.parametrize("place", [0, LARGE // 2 + 100_000, -1])
def test_a_change_in_place_with_its_time_put_back_is_seen_by_the_time_of_change(
    index: DigestIndex, file: Path, place: int
) -> None:
    reading(index, file)
    change_in_place(file, place)
    with index.batch():
        assert reading(index, file)
    assert not reading(index, file)


@pytest.mark.usefixtures("_no_time_of_change")
@pytest.mark.parametrize("place", [0, 5_000, LARGE // 3, -10_000, -1])
def test_without_a_time_of_change_it_is_seen_by_the_sample(index: DigestIndex, file: Path, place: int) -> None:
    reading(index, file)
    change_in_place(file, place)
    assert reading(index, file)


@pytest.mark.usefixtures("_no_time_of_change")
def test_any_byte_of_a_small_file_is_in_its_sample(index: DigestIndex, file: Path) -> None:
    for size in (1, 100, 16_385, 40_000, 65_536):
        file.write_bytes(bytes(size))
        os.utime(file, ns=LONG_AGO)
        for place in {0, size // 3, size // 2, size - 1}:
            reading(index, file)
            change_in_place(file, place)
            assert reading(index, file), (size, place)


def test_an_empty_file_has_a_sample(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert len(sampled_digest(tmp_path / "empty")) == 64


@pytest.mark.usefixtures("_no_time_of_change")
def test_any_voxel_of_a_compressed_image_is_in_its_sample(tmp_path: Path) -> None:
    """The checksum stands at the end; equal sizes are not to be had at will, so that only the sample is compared."""
    study = study_of(SEGMENTATION)
    manifest = write_segmentation_cohort(tmp_path / "data", cases=4, shape=(48, 48, 40))
    path = read_manifest(manifest, study, truth=Truth.REQUIRED).cases[0].channels[0]
    assert path.stat().st_size > 4 * filemarks.SAMPLE_BYTES
    before, image = sampled_digest(path), read_image(path)
    data = image.data.copy()
    data[0, 24, 24, 20] = np.nextafter(data[0, 24, 24, 20], np.float32(np.inf))
    write_image(path, Image(data, image.geometry))
    assert sampled_digest(path) != before


@pytest.mark.usefixtures("_no_time_of_change")
def test_the_store_makes_a_case_anew_that_was_changed_in_place(tmp_path: Path) -> None:
    study = study_of(SEGMENTATION)
    manifest = write_segmentation_cohort(tmp_path / "data", cases=4, shape=(20, 18, 16))
    case = read_manifest(manifest, study, truth=Truth.REQUIRED).cases[0]
    assert case.label is not None
    os.utime(case.label, ns=LONG_AGO)
    image, path = read_image(case.channels[0]), tmp_path / "data" / "images" / "case_000.nii"
    write_image(path, image)
    os.utime(path, ns=LONG_AGO)
    case = replace(case, channels=(path,))
    store = CaseStore(tmp_path / "store")
    first = store.open_case(study, case)
    change_in_place(path, 352 + 2)
    second = store.open_case(study, case)
    assert first.digest != second.digest
    assert first.content.image != second.content.image


def test_a_file_that_has_just_changed_is_not_remembered_whatever_its_time_says(
    index: DigestIndex, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filemarks, "SETTLED_SECONDS", 3600)
    assert [reading(index, file) for _ in range(2)] == [True, True]
    assert FileState(1, 10**9, 2 * 10**9, 1).is_settled(2 + 3601)
    assert not FileState(1, 10**9, 2 * 10**9, 1).is_settled(1 + 3601)


def test_an_index_of_an_earlier_release_is_filled_anew(index: DigestIndex, file: Path, tmp_path: Path) -> None:
    status = file.stat()
    with sqlite3.connect(tmp_path / "digests.sqlite") as old:
        old.execute(
            "CREATE TABLE sources (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, inode INTEGER, digest)"
        )
        row = (str(file), status.st_size, status.st_mtime_ns, status.st_ino, "0" * 64)
        old.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?)", row)
    old.close()
    with index.batch():
        assert reading(index, file)
    assert not reading(index, file)


def test_a_folder_of_many_series_is_looked_at_once_while_a_cohort_opens(
    index: DigestIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its files tell whether one of its series has changed, and there may be a thousand of these."""
    folder, looked = tmp_path / "export", list[str]()
    folder.mkdir()
    (folder / "IM1").write_bytes(b"1")

    def counted(path: Path) -> str:
        looked.append("sample")
        return sampled_digest(path)

    monkeypatch.setattr(digests, "sampled_digest", counted)
    series = [tmp_path / f"export#{number}" for number in range(4)]
    with index.batch():
        assert [index.file_digest(path, lambda path: path.name) for path in series] == [path.name for path in series]
    assert looked == ["sample"]
    assert [index.file_digest(path, lambda _: "read again") for path in series] == [path.name for path in series]
    (folder / "IM2").write_bytes(b"2")
    with index.batch():
        assert {index.file_digest(path, lambda _: "read again") for path in series} == {"read again"}

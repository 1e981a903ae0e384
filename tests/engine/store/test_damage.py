"""One damaged byte heals, what is used is not pruned, and more cases than the system has maps can be open."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, SEGMENTATION, study_of
from wardround.engine.basics import filemarks
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import run
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.imaging import holding, write_label
from wardround.engine.sampling import PatchSource
from wardround.engine.store import CaseStore, StoredCase
from wardround.engine.store.shelf import SHELF

STUDY = study_of(SEGMENTATION)
FILES = ("image.npy", "label.npy", "foreground.npy", "case.json")


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return read_manifest(write_segmentation_cohort(tmp_path / "data", cases=3), STUDY, truth=Truth.REQUIRED)


def a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is mapped, and nothing was checked."""
    monkeypatch.setattr(SHELF, "_recent", type(SHELF._recent)())
    monkeypatch.setattr(SHELF, "_checked", {})


def flip(path: Path, place: float) -> None:
    """Flip a bit as a failing disk does: size and time stay."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[min(int(place * len(content)), len(content) - 1)] ^= 4
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.6])
def test_a_flipped_bit_never_reaches_a_patch(
    tmp_path: Path,
    cohort: Cohort,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    place: float,
) -> None:
    opened = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    expected = [PatchSource(STUDY, opened).batch(step) for step in range(4)]
    flip(opened[1].folder / name, place)
    a_new_process(monkeypatch)
    with caplog.at_level(logging.WARNING):
        again = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
        found = [PatchSource(STUDY, again).batch(step) for step in range(4)]
    for before, after in zip(expected, found, strict=True):
        np.testing.assert_array_equal(before.image, after.image)
        np.testing.assert_array_equal(np.asarray(before.label), np.asarray(after.label))
    said = "damaged" in caplog.text and cohort.cases[1].subject in caplog.text
    assert said or name == "case.json"  # which is found while the store is filled, as any case that is not there
    assert CaseStore(tmp_path / "store").verify() == ()


def test_damage_that_cannot_be_mended_is_named(tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    (stored, *_) = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    assert stored.label is not None
    flip(stored.folder / "image.npy", 0.5)
    a_new_process(monkeypatch)
    case = cohort.cases[0]
    assert case.label is not None
    write_label(case.label, np.zeros(stored.native.shape, np.uint8), stored.native)
    with pytest.raises(InputError, match=r"damaged.*no longer"):
        _ = stored.image


def test_arrays_are_read_once_to_check_them_and_only_if_used(
    tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wardround.engine.store import entries

    CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    a_new_process(monkeypatch)
    read: list[str] = []
    real = entries.file_sha256
    monkeypatch.setattr(entries, "file_sha256", lambda path: read.append(path.parent.name + path.name) or real(path))
    opened = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    PatchSource(STUDY, opened)
    assert read == []
    for _ in range(2):
        assert opened[0].image.size
        assert opened[0].label is not None
        SHELF.forget(opened[0].folder)
    assert len(read) == len(set(read)) == 3


def test_old_maps_are_given_up(tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    a_new_process(monkeypatch)
    monkeypatch.setattr(SHELF, "capacity", 2)
    opened = CaseStore(tmp_path / "store").open_cases(STUDY, cohort.cases)
    held = [stored.image for stored in opened]
    gc.collect()
    assert len(SHELF._recent) == 2
    assert _maps(tmp_path) == 1 + 2 * 3  # one array that is still held, and two cases
    assert [float(image.sum()) for image in held] == [float(stored.image.sum()) for stored in opened]


def _maps(folder: Path) -> int:
    return sum(str(folder) in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.slow
def test_more_images_than_the_system_has_maps(tmp_path: Path) -> None:
    """70,000 pictures, which are the same few under many names of the store: links stand for the arrays."""
    study = study_of(CLASSIFICATION)
    cohort = read_manifest(write_classification_cohort(tmp_path / "data"), study, truth=Truth.REQUIRED)
    opened = CaseStore(tmp_path / "store").open_cases(study, cohort.cases)
    cases: list[StoredCase] = []
    for number in range(70_000):
        original = opened[number % len(opened)]
        folder = tmp_path / "many" / f"{number}"
        folder.mkdir(parents=True)
        os.link(original.folder / "image.npy", folder / "image.npy")
        fields: dict[str, Any] = vars(original) | {"folder": folder}
        fields = {name: fields[name] for name in ("folder", "_description", "_heal")}
        cases.append(type(original)(fields["folder"], fields["_description"], fields["_heal"], digest=f"{number:064x}"))
    total = sum(float(case.image[0, 0, 0]) for case in cases)
    assert np.isfinite(total)
    assert _maps(tmp_path) <= SHELF.capacity


def _open_and_wait(root: Path, cohort: Cohort, ready: Any, go: Any) -> None:
    opened = CaseStore(root).open_cases(STUDY, cohort.cases[:2])
    ready.set()
    go.wait()
    assert [float(stored.image.sum()) for stored in opened]
    os._exit(0 if all(stored.folder.exists() for stored in opened) else 5)


def test_what_a_running_process_uses_is_not_pruned_and_what_a_dead_one_used_is(tmp_path: Path, cohort: Cohort) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    root = tmp_path / "store"
    CaseStore(root).open_cases(STUDY, cohort.cases)
    process = context.Process(target=_open_and_wait, args=(root, cohort, ready, go))
    process.start()
    assert ready.wait(60)
    gc.collect()
    assert len(CaseStore(root).prune(0)) == 1
    go.set()
    process.join()
    assert process.exitcode == 0
    assert len(CaseStore(root).prune(0)) == 2
    assert CaseStore(root).list() == ()
    assert list(root.glob("users/*")) == []


def test_a_store_stays_within_its_limit(tmp_path: Path, cohort: Cohort) -> None:
    root = tmp_path / "store"
    first = CaseStore(root).open_case(STUDY, cohort.cases[0])
    size = CaseStore(root).list()[0].bytes
    del first
    gc.collect()
    limited = CaseStore(root, limit=int(2.2 * size))
    opened = limited.open_cases(STUDY, cohort.cases[1:])
    assert {entry.digest for entry in limited.list()} == {stored.digest for stored in opened}
    with pytest.raises(InputError, match="limit"):
        limited.open_case(STUDY, cohort.cases[0])
    assert len(limited.list()) == 2


def test_half_built_cases_are_swept(tmp_path: Path, cohort: Cohort) -> None:
    root = tmp_path / "store"
    stored = CaseStore(root).open_case(STUDY, cohort.cases[0])
    half = stored.folder.with_name("." + "0" * 64)
    half.mkdir()
    (half / "image.npy").write_bytes(b"half")
    CaseStore(root).open_cases(STUDY, cohort.cases[:1])
    assert not half.exists()


def test_a_cohort_opens_with_few_questions_to_the_index(
    tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "data").rglob("*.nii.gz"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(filemarks, "SETTLED_SECONDS", 0)
    root, connections, read = tmp_path / "store", list[object](), list[Path]()
    connect, held = sqlite3.connect, holding.HeldSource
    monkeypatch.setattr(holding, "HeldSource", lambda path: read.append(path) or held(path))
    CaseStore(root).open_cases(STUDY, cohort.cases)
    assert sorted(read) == sorted(path for case in cohort.cases for path in case.files)
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connections.append(a) or connect(*a, **k))
    CaseStore(root).open_cases(STUDY, cohort.cases)
    assert len(read) == 6
    assert len(connections) <= 3


def test_the_command_lists_prunes_and_verifies(
    tmp_path: Path, cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    folder = CaseStore(work / "store").open_cases(STUDY, cohort.cases)[2].folder
    gc.collect()
    assert run(app, ["store", "list", str(work), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["cases"]) == 3
    assert run(app, ["store", "verify", str(work)]) == 0
    capsys.readouterr()
    flip(folder / "image.npy", 0.7)
    assert run(app, ["store", "verify", str(work / "store"), "--json"]) == 3
    assert [entry["key"] for entry in json.loads(capsys.readouterr().out)["cases"]] == [folder.name]
    assert run(app, ["store", "prune", str(work), "--keep", "0 B"]) == 0
    assert "2 cases removed" in capsys.readouterr().out
    assert run(app, ["store", "prune", str(work), "--keep", "much"]) == 2
    assert run(app, ["store", "list", str(tmp_path / "data")]) == 2

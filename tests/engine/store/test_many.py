"""A hundred thousand small images: neither files nor maps are kept open without bound, and room is made in few goes."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import write_classification_cohort
from tests.support.studies import CLASSIFICATION, changed, study_of
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.store import CaseStore, mapped, store
from wardround.engine.store.shelf import Shelf

STUDY = study_of(CLASSIFICATION)
CASES = 96


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("many")
    return read_manifest(write_classification_cohort(folder, CASES, (8, 8)), STUDY, truth=Truth.REQUIRED)


@pytest.fixture
def few_files() -> Iterator[None]:
    """So few file handles that no case may hold one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 32, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_open_cases_hold_no_files_and_few_maps(tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "SHELF", Shelf(capacity=8))
    cases = CaseStore(tmp_path).open_cases(STUDY, cohort.cases)
    for _ in range(2):
        assert all(case.image.shape == (1, 8, 8) for case in cases)
    gc.collect()
    assert Path("/proc/self/maps").read_text().count(str(tmp_path)) <= 8


@pytest.mark.parametrize(("filled", "looks"), [(7 / 8, 24), (1.0, 3 * CASES)])
def test_room_is_made_in_few_goes(
    tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch, filled: float, looks: int
) -> None:
    """Also where there is just enough of it: a case that is written while others are is not counted twice."""
    monkeypatch.setattr(store, "_FILLED", filled)
    other = study_of(changed(CLASSIFICATION, preprocessing=[{"resize": [9, 9]}]))
    CaseStore(tmp_path).open_cases(other, cohort.cases)
    gc.collect()
    limit = sum(entry.bytes for entry in CaseStore(tmp_path).list())
    listed, entry_of = 0, store._entry

    def counted(folder: Path) -> Any:
        nonlocal listed
        listed += 1
        return entry_of(folder)

    monkeypatch.setattr(store, "_entry", counted)
    opened = CaseStore(tmp_path, limit=limit).open_cases(STUDY, cohort.cases)
    assert listed <= looks * CASES
    present = CaseStore(tmp_path).list()
    assert {case.digest for case in opened} <= {entry.digest for entry in present}
    assert sum(entry.bytes for entry in present) <= limit

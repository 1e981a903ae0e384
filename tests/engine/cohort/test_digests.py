"""Cases and cohorts are named by their bytes alone."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.manifests import touch
from wardround.engine.cohort import Case, case_digest, cohort_digest


@pytest.fixture
def case(tmp_path: Path) -> Case:
    touch(tmp_path, "a.nii", "b.nii", "m.nii")
    return Case("s", "p", (tmp_path / "a.nii", tmp_path / "b.nii"), tmp_path / "m.nii", "1", None, 2)


def test_names_and_places_play_no_part(case: Case, tmp_path: Path) -> None:
    moved = shutil.copytree(case.channels[0].parent, tmp_path / "elsewhere", ignore=lambda *_: {"elsewhere"})
    shutil.move(moved / "a.nii", moved / "renamed.nii")
    other = Case("t", "q", (moved / "renamed.nii", moved / "b.nii"), moved / "m.nii", "1", "train", 7)
    assert case_digest(other) == case_digest(case)


def test_bytes_roles_and_value_each_change_the_digest(case: Case, tmp_path: Path) -> None:
    touch(tmp_path, "other.nii")
    first, second = case.channels
    assert case.label is not None
    variants = [
        case,
        dataclasses.replace(case, channels=(second, first)),
        dataclasses.replace(case, channels=(first,)),
        dataclasses.replace(case, channels=(first, tmp_path / "other.nii")),
        dataclasses.replace(case, channels=(first, second, case.label), label=None),
        dataclasses.replace(case, label=None),
        dataclasses.replace(case, label=tmp_path / "other.nii"),
        dataclasses.replace(case, value=None),
        dataclasses.replace(case, value="2"),
    ]
    assert len({case_digest(variant) for variant in variants}) == len(variants)


def test_a_cached_digest_of_files_may_be_given(case: Case) -> None:
    seen: list[Path] = []
    first = case_digest(case, lambda path: seen.append(path) or path.name)
    assert seen == [*case.channels, case.label]
    assert first == case_digest(case, lambda path: path.name) != case_digest(case)


@given(st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=8), st.randoms())
def test_a_cohort_is_a_bag_of_digests(digests: list[str], shuffler: random.Random) -> None:
    shuffled = list(digests)
    shuffler.shuffle(shuffled)
    assert cohort_digest(shuffled) == cohort_digest(digests)
    assert cohort_digest([*digests, "0000"]) != cohort_digest(digests)

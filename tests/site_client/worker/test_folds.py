"""Too few cases for a plan: told alike at accept, check and start, and in terms of the site's own table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site_client.support import Site, build_site
from tests.support.images import write_segmentation_cohort
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.shortage import TooFew
from wardround.site_client.setup.acceptance import open_offer
from wardround.site_client.setup.preflight import check_site, raise_problems
from wardround.site_client.supervisor import supervise
from wardround.site_client.worker.folds import mended_at_a_site

_OTHER = Problem("the cell is empty", where="data.csv:3", remedy="Fill it in")
_PLACES: dict[str, Callable[[Site], object]] = {
    "accept": lambda site: open_offer(site.folder / "invitation.json", site.config),
    "check": lambda site: raise_problems(check_site(site.config, online=False)),
    "start": lambda site: supervise(site.config),
}
_NO_AUTHORITY = "the accepted certificate authority cannot be read"
"""These sites' invitation has none, which `check` tells as well."""
_NO_CHANGE = "tell the coordinator: the plan is the federation's, and cannot be changed here"


def _site(folder: Path, cases: int) -> Site:
    site = build_site(folder)
    write_segmentation_cohort(folder, cases=cases)
    return site


def _column(site: Site, name: str, entries: list[str]) -> None:
    """Give the site's table another column."""
    with site.settings.manifest.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    with site.settings.manifest.open("w", newline="") as file:
        csv.writer(file).writerows(
            [[name, *header], *([entry, *row] for entry, row in zip(entries, rows, strict=True))]
        )


def _told(site: Site, place: str) -> list[Problem]:
    with pytest.raises(InputError) as raised:
        _PLACES[place](site)
    return [problem for problem in raised.value.problems if problem.what != _NO_AUTHORITY]


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_too_few_patients_are_told_as_the_hospital_counts_them(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 6)
    _column(site, "PatientID", ["p1", "p2", "p3", "p1", "p2", "p3"])
    (problem,) = _told(site, place)
    assert problem.render().startswith("data.csv: 3 patients are too few for this plan (expected at least 5). Put the ")
    assert problem.remedy.endswith(_NO_CHANGE)


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_too_few_rows_come_with_what_the_policy_forbids(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 2)
    policy = site.settings.policy
    text = policy.read_text().replace("tasks: [segmentation, classification]", "tasks: [classification]")
    policy.write_text(text.replace("maximum_rounds: 1000", "maximum_rounds: 1"))
    assert [problem.what for problem in _told(site, place)] == [
        "the policy does not allow this task",
        "the plan has more rounds than the policy allows",
        "2 rows are too few for this plan",
    ]


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_too_few_rows_come_with_a_policy_that_cannot_be_read(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 3)
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace("maximum_rounds: 1000", "maximum_rounds: many"))
    assert [problem.what for problem in _told(site, place)] == [
        "this value cannot be used",
        "3 rows are too few for this plan",
    ]


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_one_name_for_all_patients_is_told_as_that(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 6)
    _column(site, "PatientID", ["p1"] * 6)
    (problem,) = _told(site, place)
    assert problem.what == "1 patient is too few for this plan"
    assert problem.remedy == "All 6 rows have the PatientID 'p1': write each patient's own"


@pytest.mark.parametrize("place", ["accept", "check"])
def test_too_few_cases_for_the_policy_are_told(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 6)
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace("minimum_train_cases: 2", "minimum_train_cases: 4"))
    (problem,) = _told(site, place)
    assert (problem.what, problem.got, problem.expected) == (
        "too few training cases for the policy",
        "2",
        "at least 4",
    )


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_too_few_training_rows_of_a_split_column_are_told(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site", 6)
    _column(site, "Split", ["train", "train", "test", "test", "test", "test"])
    (problem,) = _told(site, place)
    assert (problem.what, problem.expected) == ("2 rows with Split train are too few for this plan", "at least 3")
    assert problem.remedy.endswith(_NO_CHANGE)


def test_too_few_cases_come_with_wrong_values_of_the_site_file(tmp_path: Path) -> None:
    site = _site(tmp_path / "site", 3)
    site.config.write_text(site.config.read_text() + "health_port: 99999\n")
    for place in ("check", "start"):
        assert [problem.what for problem in _told(site, place)] == [
            "this value cannot be used",
            "3 rows are too few for this plan",
        ]


def test_an_invitation_can_be_accepted_before_its_table_is_there(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    assert open_offer(site.folder / "invitation.json", site.config).invitation == site.invitation


def test_a_site_is_not_told_to_change_the_study() -> None:
    few = TooFew("too few patients for 3 inner folds", remedy="Lower validation.inner_folds", for_plan=Problem("4"))
    with pytest.raises(InputError) as raised, mended_at_a_site():
        raise InputError([few, _OTHER])
    first, second = raised.value.problems
    assert first.what == "4"
    assert first.remedy.endswith(_NO_CHANGE)
    assert second == _OTHER


def test_other_problems_stay_as_they_are() -> None:
    error = InputError([_OTHER])
    with pytest.raises(InputError) as raised, mended_at_a_site():
        raise error
    assert raised.value is error


def test_images_with_other_axes_are_no_reason_to_change_the_study(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    write_segmentation_cohort(site.folder, shape=(40, 48))
    (problem,) = _told(site, "check")
    assert problem.what == "the images are flat (2 axes), and the study is for volumes"
    assert problem.remedy.startswith("Give images as the study is for, or tell the coordinator")

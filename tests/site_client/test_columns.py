"""Columns that a plan and its study need and a table lacks: all told at once, wherever the table is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.site_client.support import Site, a_study, build_site
from tests.support.images import write_segmentation_cohort
from wardround.engine.basics.problems import InputError
from wardround.engine.study import Study, study_to_bytes
from wardround.federation.invitation import SignedInvitation, save_invitation
from wardround.federation.protocol import Requirements
from wardround.site_client.agreement.agreement import pin
from wardround.site_client.setup.acceptance import open_offer
from wardround.site_client.setup.preflight import check_site, raise_problems

_PLACES: dict[str, Callable[[Site], object]] = {
    "accept": lambda site: open_offer(site.folder / "invitation.json", site.config),
    "check": lambda site: raise_problems(check_site(site.config, online=False)),
}
_NO_AUTHORITY = "the accepted certificate authority cannot be read"
"""These sites' invitation has none, which `check` tells as well."""
_NO_PATIENTS = "the accepted plan requires a PatientID column"


def _site(folder: Path) -> Site:
    """A site whose plan requires patients, and whose study has two inputs."""
    site = build_site(folder)
    study = Study.model_validate({**a_study().model_dump(by_alias=True), "inputs": ["T1w", "FLAIR"]})
    plan = site.invitation.plan.model_copy(update={"study": study.digest, "require": Requirements(patient_column=True)})
    invitation = site.invitation.model_copy(update={"plan": plan, "study": study_to_bytes(study).decode()})
    save_invitation(folder / "invitation.json", invitation, site.coordinator)
    pin(site.settings.accepted, SignedInvitation.by(invitation, site.coordinator))
    write_segmentation_cohort(folder)
    return replace(site, invitation=invitation)


def _rename(site: Site, former: str, new: str) -> None:
    table = site.settings.manifest
    table.write_text(table.read_text().replace(former, new, 1))


def _told(site: Site, place: str) -> list[str]:
    with pytest.raises(InputError) as raised:
        _PLACES[place](site)
    return sorted(problem.what for problem in raised.value.problems if problem.what != _NO_AUTHORITY)


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_a_column_of_the_plan_and_one_of_the_study_are_told_at_once(tmp_path: Path, place: str) -> None:
    assert _told(_site(tmp_path / "site"), place) == [_NO_PATIENTS, "the column Channel_1 (FLAIR) is missing"]


@pytest.mark.parametrize("place", sorted(_PLACES))
def test_a_table_without_patients_and_masks_hears_of_both(tmp_path: Path, place: str) -> None:
    site = _site(tmp_path / "site")
    _rename(site, "Label", "Contour")
    told = _told(site, place)
    assert _NO_PATIENTS in told
    assert "the column 'Label' is missing" in told


def test_a_misspelt_column_of_patients_is_told_once(tmp_path: Path) -> None:
    site = _site(tmp_path / "site")
    _rename(site, "SubjectID,", "SubjectID,Patient_ID,")
    for number in range(6):
        _rename(site, f"case_{number:03d},", f"case_{number:03d},p{number},")
    told = _told(site, "check")
    assert "unknown column 'Patient_ID'" in told
    assert _NO_PATIENTS not in told


def test_a_column_of_patients_that_stands_twice_is_not_called_missing(tmp_path: Path) -> None:
    site = _site(tmp_path / "site")
    _rename(site, "SubjectID,", "SubjectID,PatientID,PatientID,")
    for number in range(6):
        _rename(site, f"case_{number:03d},", f"case_{number:03d},p{number},p{number},")
    told = _told(site, "check")
    assert "the column 'PatientID' stands twice" in told
    assert _NO_PATIENTS not in told

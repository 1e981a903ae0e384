"""A site's cohort once work has begun: nobody changes sets, and a change waits for the policy or the staff."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.site_client.asking import ready
from tests.site_client.support import FakeEngine, Site, allow_changes, build_site, working_site, write_cohort
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.preprocessing.steps import ZNormalizeStep
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import RefusalCode, Requirements
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.cli import app
from wardround.site_client.events import Event, Role
from wardround.site_client.worker.engine import WarmEngine
from wardround.site_client.worker.pinned import Change, CohortPins
from wardround.site_client.worker.twofold import Twofold

Conflict = Callable[[Site, str, str], None]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = build_site(tmp_path / "site")
    write_cohort(site)
    return site


def opened(site: Site) -> WarmEngine:
    return WarmEngine.open(site.settings, site.agreement)


def pins(site: Site) -> CohortPins:
    return CohortPins.of(site.settings.work, site.agreement.plan.study)


def sets(engine: WarmEngine) -> dict[str, str]:
    split = engine._bench.split
    return {case.patient: name for name, cases in split.sets.items() for case in cases}


def add_row(site: Site) -> None:
    """A tenth patient, in the middle of the table."""
    for folder in ("images", "labels"):
        shutil.copy(site.folder / folder / "case_004.nii.gz", site.folder / folder / "new.nii.gz")
    change_voxel(site.folder / "images" / "new.nii.gz")
    lines = site.settings.manifest.read_text().splitlines()
    lines.insert(5, "new,images/new.nii.gz,labels/new.nii.gz")
    site.settings.manifest.write_text("\n".join(lines))


def remove_row(site: Site) -> None:
    lines = site.settings.manifest.read_text().splitlines()
    trained = next(subject for subject, name in sets(opened(site)).items() if name == "training")
    site.settings.manifest.write_text("\n".join(line for line in lines if not line.startswith(trained)))


def change_file(site: Site) -> None:
    change_voxel(site.folder / "images" / "case_003.nii.gz")


def change_voxel(path: Path) -> None:
    from wardround.engine.imaging import Image, read_image, write_image

    image = read_image(path)
    data = image.data.copy()
    data[0, 1, 1, 1] += 9
    write_image(path, Image(data, image.geometry))


CHANGES = {
    add_row: Change(added=1, removed=0, changed=0),
    remove_row: Change(added=0, removed=1, changed=0),
    change_file: Change(added=0, removed=0, changed=1),
}


def in_another_set(site: Site, engine: WarmEngine) -> tuple[str, str]:
    """A trained patient, and one who is tested."""
    where = sets(engine)
    first, second = (
        next(patient for patient, name in where.items() if name == wanted) for wanted in ("training", "test")
    )
    return first, second


def rewritten(site: Site, column: str, cells: Mapping[str, str], rest: str) -> None:
    """The table with one more column: a cell for some subjects, for the others `rest` of their own name."""
    header, *rows = site.settings.manifest.read_text().splitlines()
    subjects = [row.split(",")[0] for row in rows]
    lines = [f"{row},{cells.get(name, rest.format(name))}" for row, name in zip(rows, subjects, strict=True)]
    site.settings.manifest.write_text("\n".join([f"{header},{column}", *lines]))


def one_person(site: Site, first: str, second: str) -> None:
    """A trained and a tested patient are said to be one."""
    rewritten(site, "PatientID", {first: "p", second: "p"}, "{}")


def stated_sets(site: Site, first: str, second: str) -> None:
    """Sets come from a column now, and from folds before."""
    rewritten(site, "Split", {first: "test"}, "train")


def same_image(site: Site, first: str, second: str) -> None:
    """The trained patient's image stands under the tested one's name."""
    shutil.copy(site.folder / f"images/{first}.nii.gz", site.folder / f"images/{second}.nii.gz")
    lines = site.settings.manifest.read_text().splitlines()
    site.settings.manifest.write_text("\n".join(line for line in lines if not line.startswith(first)))


@pytest.mark.parametrize("conflict", [one_person, stated_sets, same_image])
def test_a_table_that_moves_somebody_to_another_set_has_a_code_of_its_own(site: Site, conflict: Conflict) -> None:
    begun = opened(site)
    begun.pin()
    allow_changes(site)
    conflict(site, *in_another_set(site, begun))
    with pytest.raises(Refusal, match="this work began") as refused:
        opened(site)
    assert refused.value.code is RefusalCode.TABLE_CONFLICT


def test_with_a_file_that_cannot_be_used_as_well_it_is_the_cases_that_cannot_be_used(site: Site) -> None:
    begun = opened(site)
    begun.pin()
    one_person(site, *in_another_set(site, begun))
    (site.folder / "images" / "case_004.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError):
        opened(site)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_waits_until_the_staff_accepts_it_and_known_patients_stay(
    site: Site, change: object, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = opened(site)
    assert begun.pin() is None
    change(site)  # type: ignore[operator]
    for _ in range(2):
        with pytest.raises(Refusal, match="accept-cohort") as refused:
            opened(site)
        assert refused.value.code is RefusalCode.COHORT_CHANGED
    assert run(app, ["check", "--config", str(site.config), "--offline"]) == ExitCode.BAD_INPUT
    assert "the cases have changed since training began" in capsys.readouterr().err
    assert run(app, ["accept-cohort", "--config", str(site.config), "--yes"]) == ExitCode.OK
    assert str(CHANGES[change]) in capsys.readouterr().out  # type: ignore[index]
    later = opened(site)
    now, before = sets(later), sets(begun)
    assert all(now[patient] == before[patient] for patient in now.keys() & before.keys())
    assert later.pin() == CHANGES[change]  # type: ignore[index]
    assert later.pin() is None
    assert opened(site).cohort == later.cohort
    assert run(app, ["accept-cohort", "--config", str(site.config), "--yes"]) == ExitCode.BAD_INPUT


def test_the_policy_may_allow_changes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    begun = opened(site)
    begun.pin()
    allow_changes(site)
    add_row(site)
    run(app, ["check", "--config", str(site.config), "--offline"])
    said = capsys.readouterr()
    assert "changed since training began (rows: 1 added, 0 removed" in said.out
    assert "the cases have changed" not in said.err
    later = opened(site)
    assert later.cohort.digest != begun.cohort.digest
    assert sets(begun).items() <= sets(later).items()


def test_before_work_begins_the_table_may_change(site: Site) -> None:
    opened(site)
    add_row(site)
    opened(site).pin()
    assert pins(site).read() is not None


def test_another_order_free_columns_and_touched_files_are_no_change(site: Site) -> None:
    begun = opened(site)
    begun.pin()
    header, *rows = site.settings.manifest.read_text().splitlines()
    lines = [f"{header},Age", *(f"{row},40" for row in reversed(rows))]
    site.settings.manifest.write_text("\n".join(lines))
    os.utime(site.folder / "images" / "case_002.nii.gz")
    later = opened(site)
    assert (later.cohort, sets(later)) == (begun.cohort, sets(begun))


def test_a_file_that_was_changed_in_place_with_its_time_put_back_is_noticed(site: Site) -> None:
    engine, path = opened(site), site.folder / "images" / "case_002.nii.gz"
    assert engine.is_current()
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not engine.is_current()


def test_an_accepted_change_is_that_one_alone(site: Site) -> None:
    opened(site).pin()
    change_file(site)
    with pytest.raises(Refusal):
        opened(site)
    pins(site).accept()
    change_voxel(site.folder / "images" / "case_005.nii.gz")
    with pytest.raises(Refusal, match="0 added, 0 removed, 2 with other files"):
        opened(site)


def test_the_record_names_nobody_and_is_its_users_alone(site: Site) -> None:
    opened(site).pin()
    for path in Twofold(pins(site).path).files:
        assert "case_" not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0


def flipped(path: Path) -> None:
    """One byte of a digest is another digit: the file reads as well as before."""
    content = path.read_bytes()
    place = content.index(b'"cohort":"') + 12
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


def cut(path: Path) -> None:
    """The end is missing."""
    path.write_bytes(path.read_bytes()[:-5])


def emptied(path: Path) -> None:
    """Nothing is left of it."""
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    """It has gone."""
    path.unlink()


def a_folder(path: Path) -> None:
    """Something else has its name."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", [flipped, cut, emptied, deleted, a_folder])
def test_a_damaged_record_is_made_again_from_its_copy(
    site: Site, damage: Callable[[Path], None], which: int, tmp_path: Path
) -> None:
    begun = opened(site)
    begun.pin()
    held, files = pins(site).read(), Twofold(pins(site).path).files
    sound = files[0].read_bytes()
    assert files[1].read_bytes() == sound
    damage(files[which])
    assert pins(site).read() == held
    assert files[which].is_dir() or files[which].read_bytes() == sound


@pytest.mark.parametrize("damage", [flipped, cut, emptied])
def test_a_record_that_cannot_be_made_again_is_named_with_the_way_out(
    site: Site, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    opened(site).pin()
    for path in Twofold(pins(site).path).files:
        damage(path)
    with pytest.raises(Refusal, match="Restore them from a backup") as refused:
        opened(site)
    assert refused.value.code is RefusalCode.ACCOUNT_DAMAGED
    assert run(app, ["check", "--config", str(site.config), "--offline"]) == ExitCode.BAD_INPUT
    assert str(pins(site).path) in capsys.readouterr().err


@pytest.mark.parametrize("damage", [cut, emptied, deleted])
def test_a_damaged_proposal_is_made_again(site: Site, damage: Callable[[Path], None]) -> None:
    opened(site).pin()
    change_file(site)
    for _ in range(2):
        with pytest.raises(Refusal, match="accept-cohort"):
            opened(site)
        assert pins(site).proposal() is not None
        damage(pins(site)._proposed)


def test_a_plan_can_require_the_patient_column(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    plan = site.agreement.plan
    demanding = plan.model_copy(update={"require": Requirements(patient_column=True)})
    assert demanding.digest != plan.digest
    assert b"require" not in canonical_model(plan)
    agreement = replace(site.agreement, invitation=site.agreement.invitation.model_copy(update={"plan": demanding}))
    with pytest.raises(Refusal, match="requires a PatientID column") as refused:
        WarmEngine.open(site.settings, agreement)
    assert refused.value.code is RefusalCode.PATIENTS_UNKNOWN
    assert not (site.settings.work / "store" / "cases").exists()
    header, *rows = site.settings.manifest.read_text().splitlines()
    lines = [f"{header},PatientID", *(f"{row},p{number}" for number, row in enumerate(rows))]
    site.settings.manifest.write_text("\n".join(lines))
    assert WarmEngine.open(site.settings, agreement).cohort.train_cases == 4


def _told(site: Site) -> list[str]:
    """What the worker's log says of other steps."""
    path = site.settings.work / "events" / f"{Role.WORKER.value}.jsonl"
    return [str(entry.facts["detail"]) for entry in read_entries(path) if entry.event == Event.STEPS_CHANGED]


def test_a_release_that_prepares_cases_otherwise_amid_a_run_is_told_of(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(site).pin()
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
    assert _told(site) == []
    monkeypatch.setattr(ZNormalizeStep, "version", 7)
    opened(site).pin()
    for starts in (1, 2):  # at every start: a round with the new steps does not make them the old ones
        with working_site(site, FakeEngine()) as courier:
            ready(site, courier)
        assert len(_told(site)) == starts
    assert "began with another version of z_normalize: it gives other voxels now" in _told(site)[0]
    assert "got z_normalize 1; expected z_normalize 7" in _told(site)[0]
    assert "Let all sites work with one release" in _told(site)[0]
    run(app, ["check", "--config", str(site.config), "--offline"])
    assert "note: this training began with another version of z_normalize" in capsys.readouterr().out


def test_a_record_without_versions_of_steps_is_read_and_says_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(site).pin()
    held = pins(site).read()
    assert held is not None
    assert held.steps == {"z_normalize": 1}
    former = held.model_copy(update={"steps": None})
    assert b"steps" not in canonical_model(former)
    Twofold(pins(site).path).write(canonical_model(former))
    monkeypatch.setattr(ZNormalizeStep, "version", 7)
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
    assert _told(site) == []

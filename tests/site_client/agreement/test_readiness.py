"""A site that cannot begin says what is missing and the next step, and ends with exit code 2: nothing is restarted."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site_client.support import Site, build_site, invitation_for, write_cohort
from tests.support.studies import SEGMENTATION, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.identities import EnrolmentRequest, Member, Roster, SiteKeys
from wardround.federation.invitation import SignedInvitation
from wardround.site_client import supervisor
from wardround.site_client.agreement.agreement import pin
from wardround.site_client.agreement.readiness import require_agreement
from wardround.site_client.cli import app
from wardround.site_client.events import EventLog, Role
from wardround.site_client.processes import on_duty
from wardround.site_client.supervisor import Supervisor

Spoil = Callable[[Site], None]


def _unaccepted(site: Site) -> None:
    site.settings.accepted.unlink()


def _without_policy(site: Site) -> None:
    site.settings.policy.unlink()


def _forbidden(site: Site) -> None:
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace("maximum_rounds: 1000", "maximum_rounds: 1"))


def _without_keys(site: Site) -> None:
    for path in site.settings.keys.iterdir():
        path.unlink()


def _not_in_the_roster(site: Site) -> None:
    invitation = invitation_for(site.coordinator, Roster(members=()))
    pin(site.settings.accepted, SignedInvitation.by(invitation, site.coordinator))


def _other_keys(site: Site) -> None:
    _without_keys(site)
    SiteKeys.create(site.settings.keys)


SPOILT: dict[str, tuple[Spoil, str]] = {
    "before accept": (_unaccepted, "site-client accept invitation.json"),
    "without a policy": (_without_policy, "Put the hospital's policy back"),
    "a policy that forbids the plan": (_forbidden, "more rounds than the policy allows"),
    "without keys": (_without_keys, "Restore the folder of the keys"),
    "a roster that lacks it": (_not_in_the_roster, "ask the coordinator to enrol this site"),
    "other keys than the roster's": (_other_keys, "aggregator replace north north.pub"),
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = build_site(tmp_path / "site")
    write_cohort(made)
    return made


@pytest.fixture(autouse=True)
def _no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that would begin all the same fails, rather than start processes for ever."""

    def start(child: object) -> int:
        raise AssertionError("a child was started")

    monkeypatch.setattr(supervisor._Child, "start", start)


@pytest.mark.parametrize("command", [[], ["courier"]], ids=["both", "courier"])
@pytest.mark.parametrize("case", SPOILT)
def test_it_ends_with_two_and_the_next_step(
    site: Site, case: str, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "wardround.site_client.courier.process.run_courier", lambda *_: pytest.fail("the courier began")
    )
    spoil, step = SPOILT[case]
    spoil(site)
    assert run(app, [*command, "--config", str(site.config)]) == ExitCode.BAD_INPUT
    assert step in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("another name", "site.yaml:3, name: this site's keys are enrolled under another name, north"),
        (
            "another site's keys",
            "site.yaml:3, name: the name is north, the keys are those of south (got north, with the keys of south in",
        ),
    ],
)
def test_a_name_and_keys_that_do_not_fit_are_told_from_each_other(
    site: Site, tmp_path: Path, spoil: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = SiteKeys.create(tmp_path / "south")
    south = Member(name="south", signing_key=keys.signing_public, transport_key=keys.transport_public)
    roster = Roster.of((*site.invitation.roster.members, south))
    pin(site.settings.accepted, SignedInvitation.by(invitation_for(site.coordinator, roster), site.coordinator))
    if spoil == "another name":
        site.config.write_text(site.config.read_text().replace("name: north", "name: north2"))
    else:
        for path in (tmp_path / "south").iterdir():
            path.replace(site.settings.keys / path.name)
    assert run(app, ["check", "--offline", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    assert told in capsys.readouterr().err


def test_what_the_policy_forbids_is_told_with_its_line_and_what_to_write(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.settings.policy.write_text("schema: 1\nmaximum_rounds: 2\ntasks: [classification]\n")
    for command in ([], ["check", "--offline"], ["accept", str(site.folder / "invitation.json"), "--yes"]):
        assert run(app, [*command, "--config", str(site.config)]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        for told in ("policy.yaml:3, tasks: ", "policy.yaml:2, maximum_rounds: ", "write `maximum_rounds: 3`"):
            assert told in said
        assert "If the hospital agrees, write `tasks: [classification, segmentation]`; if not," in said


def test_what_the_policy_forbids_is_told_beside_its_wrong_values(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.settings.policy.write_text(
        "schema: 1\nmaximum_rounds: 2\ntasks: [classification]\nmetrics: [Dice]\nminimum_train_cases: 5000\n"
    )
    for command in ([], ["check", "--offline"]):
        assert run(app, [*command, "--config", str(site.config)]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        for told in ("unknown metric 'Dice'", "policy.yaml:3, tasks: ", "policy.yaml:2, maximum_rounds: "):
            assert told in said
    assert "policy.yaml:5, minimum_train_cases: too few training cases" in said


def test_a_key_that_cannot_be_read_forbids_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.policy.write_text("schema: 1\nmaximum_rounds: many\ntasks: [Segmentation]\nminimum_train_cases: x\n")
    assert run(app, ["check", "--offline", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    said = capsys.readouterr()
    assert said.err.count("error: policy.yaml") == 3
    assert "the policy allows it" not in said.out


def test_an_example_of_a_setting_is_one_that_a_site_may_want(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "store_limit: 200 Go\nhealth_port: 99999\n"
    site.config.write_text(site.config.read_text() + wrong)
    assert run(app, ["check", "--offline", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert '`store_limit: "200 GB"`' in said
    assert "`health_port: 50051`" in said


def _told(site: Site, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The errors of a start, which are those of a check."""
    told = []
    for command in ([], ["check", "--offline"]):
        assert run(app, [*command, "--config", str(site.config)]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        lines = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
        told.append([line for line in lines if "certificate authority" not in line])  # it has none here
    assert told[0] == told[1]
    return told[0]


def test_a_file_in_the_place_of_the_work_folder_is_one_problem_and_the_same_everywhere(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(site.settings.work, ignore_errors=True)
    site.settings.work.touch()
    assert _told(site, capsys) == [
        "site.yaml:5, work: a file stands where the folder of this site's work should be "
        f"(got {site.settings.work}: a file; expected a folder, or nothing yet). Move it away or choose another folder."
    ]


def test_a_worker_that_may_not_open_the_keys_is_ready_without_them(site: Site) -> None:
    _without_keys(site)
    assert require_agreement(site.settings) == site.agreement


def test_before_init_the_next_step_is_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["--config", str(tmp_path / "site.yaml")]) == ExitCode.BAD_INPUT
    assert "site-client init --name" in capsys.readouterr().err


def test_a_wrong_site_file_keeps_nothing_else_from_being_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    keys = site.settings.keys
    site.config.write_text(site.config.read_text() + "device_: gpu\n")
    policy = site.folder / "policy.yaml"
    policy.write_text(policy.read_text() + "minimum_train_case: 5\n")
    (keys / "signing.key").chmod(0o644)
    assert run(app, ["--config", str(site.config)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    for told in ("unknown key 'device_'", "unknown key 'minimum_train_case'", "signing.key: others can read"):
        assert told in error


OTHER_FILES = {
    "policy.yaml": "a policy",
    "study.yaml": "a study",
    "invitation.json": "an invitation",
    "north.pub": "a site's enrolment request",
    "accepted.json": "an invitation",
    "federation.yaml": "a federation file",
}


@pytest.mark.parametrize("name", OTHER_FILES)
@pytest.mark.parametrize("words", [("check", "--offline"), ()], ids=["check", "start"])
def test_another_file_as_config_is_called_what_it_is_and_nothing_is_derived(
    site: Site, name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(site.folder / "study.yaml", SEGMENTATION)
    (site.folder / "federation.yaml").write_text(
        "schema: 1\nfederation: f\nstudy: study.yaml\naddress: a:1\nhorizon: {rounds: 1, local_steps: 1}\n"
    )
    assert run(app, [*words, "--config", str(site.folder / name)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert error.count("error: ") == 1, error
    assert f"{name}: this is {OTHER_FILES[name]}, not a site file" in error
    assert "Name the site file here" in error


@pytest.mark.parametrize("words", [("check", "--offline"), ()], ids=["check", "start"])
def test_a_private_key_as_config_is_not_shown(
    site: Site, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = site.settings.keys / "signing.key"
    assert run(app, [*words, "--config", str(path)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert "this is no site file (got a private key" in error
    assert path.read_text().splitlines()[1][:12] not in error


@pytest.mark.parametrize("what", ["policy", "manifest", "accepted", "site file", "key"])
def test_an_empty_folder_that_a_container_made_is_removed_and_the_file_put_back(
    site: Site, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = site.settings
    path = {
        "policy": settings.policy,
        "manifest": settings.manifest,
        "accepted": settings.accepted,
        "site file": site.config,
        "key": settings.keys / "signing.key",
    }[what]
    path.unlink(missing_ok=True)
    path.mkdir()
    assert run(app, ["--config", str(site.config)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert "Remove the empty folder (a container makes one" in error
    assert error.count("empty folder") == 1


def test_a_name_of_another_site_is_never_a_reason_to_give_keys_up(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes another hospital's name has the own keys, and must keep them."""
    south = EnrolmentRequest.create("south", SiteKeys.create(tmp_path / "south")).member
    roster = Roster.of((*site.invitation.roster.members, south))
    invitation = invitation_for(site.coordinator, roster)
    pin(site.settings.accepted, SignedInvitation.by(invitation, site.coordinator))
    site.config.write_text(site.config.read_text().replace("name: north", "name: south"))
    for words in (["check", "--offline"], []):
        assert run(app, [*words, "--config", str(site.config)]) == ExitCode.BAD_INPUT
        error = capsys.readouterr().err
        assert "If this is north, write `name: north`" in error
        assert "delete" not in error.lower()
        assert "rotate-keys" not in error


def test_another_file_in_the_place_of_the_site_file_is_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "federation.yaml"
    config.write_text("schema: 1\nfederation: brains\nstudy: study.yaml\nhorizon: {rounds: 2, local_steps: 5}\n")
    config.chmod(0o644)
    assert run(app, ["--config", str(config)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith("error: federation.yaml: this is a federation file, not a site file")
    assert error.count("error: ") == 1


def test_everything_that_is_missing_is_said_at_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    _unaccepted(site)
    _without_policy(site)
    _without_keys(site)
    run(app, ["--config", str(site.config)])
    assert capsys.readouterr().err.count("error: ") == 3


def test_a_child_that_ends_for_want_of_the_agreement_ends_the_site(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the agreement goes between the supervisor's look and the child's start."""

    def start(child: supervisor._Child) -> int:
        site.settings.accepted.unlink(missing_ok=True)
        child.process = subprocess.Popen(["sh", "-c", "exit 2"], stdin=subprocess.PIPE)
        return child.process.pid

    monkeypatch.setattr(supervisor._Child, "start", start)
    monkeypatch.setattr(Supervisor, "_restart_when_settings_change", lambda self: None)
    with on_duty(site.settings.work, Role.SUPERVISOR), pytest.raises(InputError, match="no invitation"):
        Supervisor(site.config, site.settings, EventLog(site.settings.work, Role.SUPERVISOR)).run(threading.Event())


def _rewrite(site: Site, old: str, new: str) -> None:
    text = site.config.read_text()
    assert old in text
    site.config.write_text(text.replace(old, new))


def test_a_table_that_is_gone_is_told_at_a_start_as_in_a_check(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    table = site.settings.manifest
    table.with_suffix("").mkdir(exist_ok=True)
    table.unlink()
    (told,) = _told(site, capsys)
    assert told.startswith(f"site.yaml:4, manifest: there is no such table (got {table}: no file; expected the path")
    assert "Its folder has" not in told, "a folder is no likeness of a table"
    table.write_text("case-00,img00.nii.gz,seg00.nii.gz\n")
    (told,) = _told(site, capsys)
    assert told.startswith(f"{table.name}:1: the first line holds a case")


@pytest.mark.parametrize("wrong", ["threads: many\n", "thread: 4\n", "threads: 1\nthreads: 2\n", "\tthreads: 2\n"])
def test_beside_a_wrong_value_name_policy_and_table_are_compared_all_the_same(
    site: Site, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.settings.manifest.unlink()
    site.settings.policy.write_text("schema: 1\nmaximum_rounds: 2\n")
    _rewrite(site, "name: north", "name: north2")
    _rewrite(site, "threads: 1\n", wrong)
    first, *others = _told(site, capsys)
    assert first.startswith("site.yaml:16" if "threads: 1" in wrong else "site.yaml:15")
    assert [line.partition(" (")[0] for line in others] == [
        "policy.yaml:2, maximum_rounds: the plan has more rounds than the policy allows",
        "site.yaml:3, name: this site's keys are enrolled under another name, north",
        "site.yaml:4, manifest: there is no such table",
    ]


def test_training_alone_tells_table_work_folder_and_agreement_in_the_same_words(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.settings.manifest.unlink()
    site.settings.accepted.unlink()
    site.settings.work.touch()
    assert run(app, ["--local", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [line.removeprefix("error: ").partition(" (")[0] for line in told] == [
        "site.yaml:5, work: a file stands where the folder of this site's work should be",
        "site.yaml:4, manifest: there is no such table",
        f"{site.settings.accepted}: no invitation has been accepted yet",
    ]


def test_a_name_that_cannot_be_used_is_answered_with_the_one_that_is_enrolled(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    _rewrite(site, "name: north", "name: North Hospital")
    (told,) = _told(site, capsys)
    assert told.startswith("site.yaml:3, name: this value cannot be used (got 'North Hospital'; expected north)")
    assert "Write `name: north`, the name of these keys." in told


@pytest.mark.parametrize("name", ["North Hospital", "south"])
def test_before_an_invitation_the_request_beside_the_keys_tells_their_name(
    site: Site, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    site.settings.accepted.unlink()
    _rewrite(site, "name: north", f"name: {name}")
    told = [line for line in _told(site, capsys) if line.startswith("site.yaml:3, name")]
    assert len(told) == 1
    assert "Write `name: north`" in told[0]
    (site.config.parent / "north.pub").unlink()
    assert "Write `name: north`" not in "".join(_told(site, capsys))


def test_a_name_that_nobody_has_is_told_where_the_keys_cannot_be_read(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    _rewrite(site, "name: north", "name: nort")
    _without_keys(site)
    assert any(
        line.startswith("site.yaml:3, name: this site is not in the invitation's roster (got 'nort'; expected north")
        for line in _told(site, capsys)
    )


def test_another_file_in_the_place_of_the_settings_is_one_problem(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("", "SubjectID,Channel_0\na,b\n", "schema: 1\nstudy: a\ntask: b\ninputs: [c]\nclasses: {}\n"):
        site.config.write_text(text)
        assert len(_told(site, capsys)) == 1

"""`site-client init` and `accept`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.site_client.support import Site, build_site, invitation_for
from tests.support.studies import TABLE, changed, study_of
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.study import Study, study_to_bytes
from wardround.federation.identities import EnrolmentRequest, Roster, SiteKeys
from wardround.federation.invitation import SignedInvitation, save_invitation
from wardround.federation.protocol import Leaves, Requirements
from wardround.site_client.agreement.settings import Policy, load_policy, load_settings
from wardround.site_client.cli import app
from wardround.site_client.setup.acceptance import Offer, describe_offer

_TABLE = "SubjectID,Channel_0\ncase-00,img00.nii.gz\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = build_site(tmp_path / "site")
    site.settings.accepted.unlink()
    return site


def _init(folder: Path, name: str = "north") -> int:
    folder.mkdir(exist_ok=True)
    (folder / "data.csv").write_text(_TABLE)
    return run(app, ["init", "--name", name, "--manifest", str(folder / "data.csv"), "--folder", str(folder)])


def _offer(site: Site, **changes: object) -> Offer:
    """The site's invitation with other contents, as an offer."""
    signed = SignedInvitation.by(site.invitation.model_copy(update=changes), site.coordinator)
    return Offer(site.settings, load_policy(site.settings.policy), signed)


def _accept(site: Site, *more: str) -> int:
    return run(app, ["accept", str(site.folder / "invitation.json"), "--config", str(site.config), *more])


def test_init_makes_a_site_that_can_be_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _init(tmp_path) == ExitCode.OK
    assert EnrolmentRequest.load(tmp_path / "north.pub").member.name == "north"
    assert load_settings(tmp_path / "site.yaml").manifest == tmp_path / "data.csv"
    assert load_policy(tmp_path / "policy.yaml").minimum_train_cases == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert "Fingerprint" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["nothing", "a folder", "a dangling link"])
def test_init_refuses_a_table_that_is_not_there(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    table, folder = tmp_path / "data.csv", tmp_path / "site"
    if kind == "a folder":
        table.mkdir()
    elif kind == "a dangling link":
        table.symlink_to(tmp_path / "gone.csv")
    words = ["init", "--name", "north", "--manifest", str(table), "--folder", str(folder)]
    assert run(app, words) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert str(table) in said
    assert ("--later" in said) is (kind != "a folder"), "a folder will be no table later either"
    assert not folder.exists(), "nothing is written"
    assert run(app, [*words, "--later"]) == (ExitCode.BAD_INPUT if kind == "a folder" else ExitCode.OK)
    assert ("there is no such table yet" in capsys.readouterr().out) is (kind != "a folder")


@pytest.mark.parametrize("place", ["Dropbox", "OneDrive - Klinikum", "Google Drive", "shared"])
def test_init_refuses_a_folder_that_is_copied_elsewhere(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / place).mkdir()
    if place == "shared":
        (tmp_path / place / ".stfolder").mkdir()
    folder = tmp_path / place / "site"
    assert _init(folder) == ExitCode.BAD_INPUT
    assert "synchronises" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(("name", "key"), [("site.yaml", "# store_limit:"), ("policy.yaml", "cohort_changes:")])
def test_what_init_writes_shows_what_staff_may_have_to_change(tmp_path: Path, name: str, key: str) -> None:
    _init(tmp_path)
    assert f"\n{key} " in (tmp_path / name).read_text()
    assert load_policy(tmp_path / "policy.yaml") == Policy(schema=1)


def test_a_file_that_is_no_invitation_is_named_as_that(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.folder / "invitation.json").write_text("{}")
    assert _accept(site) == ExitCode.BAD_INPUT
    assert "this is not an invitation (got no such key; expected the invitation.json" in capsys.readouterr().err


def test_this_site_s_own_request_in_the_place_of_an_invitation(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    EnrolmentRequest.create("north", SiteKeys.load(site.settings.keys)).save(site.folder / "invitation.json")
    assert _accept(site) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert "(got a site's enrolment request, which goes to the coordinator; expected the invitation.json" in error
    assert "Name the file that the coordinator has sent" in error


@pytest.mark.parametrize(
    ("name", "content"),
    [("study.yaml", b"schema: 1\nstudy: hippo\n"), ("data.xlsx", b"PK\x03\x04rest"), ("a.nii.gz", b"\x1f\x8brest")],
    ids=["study", "workbook", "image"],
)
def test_init_refuses_what_is_no_table_and_says_all_at_once(
    tmp_path: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    table, folder = tmp_path / name, tmp_path / "file"
    table.write_bytes(content)
    folder.touch()
    command = ["init", "--name", "North Hospital", "--manifest", str(table), "--folder", str(folder)]
    for later in ([], ["--later"]):
        assert run(app, [*command, *later]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        assert [line.partition(":")[0] for line in said.replace("error: ", "").splitlines()] == [
            "--name",
            "--folder",
            "--manifest",
        ]
        assert "--later" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["file", name])


def test_of_a_folder_the_invitation_is_named_and_never_what_was_accepted(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.folder)
    sent, accepted = Path("invitation.json"), Path("accepted.json")
    assert run(app, ["accept", str(sent), "--yes"]) == ExitCode.OK
    capsys.readouterr()
    sent.rename("from the coordinator.json")
    for words in (".", "accept.json"):
        assert run(app, ["accept", words, "--yes"]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        assert "Name the file: `site-client accept 'from the coordinator.json'`." in said
        assert "accepted.json" not in said
    Path("from the coordinator.json").rename("Invitation(1).json")
    assert run(app, ["accept", str(site.folder), "--yes"]) == ExitCode.BAD_INPUT
    assert "Name the file: `site-client accept 'Invitation(1).json'`." in capsys.readouterr().err
    Path("Invitation(1).json").unlink()
    for words in (".", "accept.json", "keys"):
        assert run(app, ["accept", words, "--yes"]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        assert "There is no invitation in this folder: save the file that the coordinator has sent" in said
        assert "accepted.json" not in said
    assert accepted.is_file()


_BAD_TABLES = {
    "no-header": ("case-00,img00.nii.gz,seg00.nii.gz\ncase-01,a.nii.gz,b.nii.gz\n", "the first line holds a case"),
    "title": ("My cases\n\nSubjectID,Channel_0\na,b\n", "the names of the columns stand on line 3"),
    "prose": ("Dear colleague,\nplease find\nthe table, soon.\n", "'SubjectID' is missing"),
    "other-names": ("Id;Image\n1;a.nii.gz\n", "Is it 'Id'?"),
    "twice": ("SubjectID,Channel_0,Channel_0\na,b,c\n", "'Channel_0' stands twice"),
    "blank": ("\n\n", "the file is empty"),
}
_UNFILLED_TABLES = {"empty": ("", "the file is empty"), "header-only": ("SubjectID,Channel_0\n", "has no rows")}


@pytest.mark.parametrize("kind", sorted({*_BAD_TABLES, *_UNFILLED_TABLES}))
def test_init_refuses_a_text_that_is_no_table_of_cases_before_it_makes_keys(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = {**_BAD_TABLES, **_UNFILLED_TABLES}[kind]
    table, folder = tmp_path / "data.csv", tmp_path / "site"
    table.write_text(text)
    command = ["init", "--name", "north", "--manifest", str(table), "--folder", str(folder)]
    assert run(app, command) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert "error: --manifest: " in said
    assert told in said
    assert not folder.exists(), "nothing is written"
    later = ExitCode.OK if kind in _UNFILLED_TABLES else ExitCode.BAD_INPUT
    assert run(app, [*command, "--later"]) == later, "a table that is still to be filled may come later, no other"


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _init(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert _init(tmp_path) == ExitCode.BAD_INPUT
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    said = capsys.readouterr().err
    assert "4 times: it exists already" in said
    assert "may be enrolled already: keep them" in said


@pytest.mark.parametrize("name", ["North", "", "a b", "../north", "n" * 33])
def test_init_refuses_a_name_before_it_writes(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _init(tmp_path, name) == ExitCode.BAD_INPUT
    assert "such as `north`" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_a_manifest_with_an_odd_name_survives(tmp_path: Path) -> None:
    manifest = tmp_path / "it's: data.csv"
    manifest.write_text(_TABLE)
    run(app, ["init", "--name", "north", "--manifest", str(manifest), "--folder", str(tmp_path / "site")])
    assert load_settings(tmp_path / "site/site.yaml").manifest == manifest


def test_accept_shows_the_plan_and_pins_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert _accept(site, "--yes") == ExitCode.OK
    said = capsys.readouterr().out
    for part in ("trial", "blobs: segmentation", "3 rounds of 4 steps", site.invitation.plan.digest, "Leaves", "Stays"):
        assert part in said
    assert site.agreement.invitation == site.invitation


def test_accept_asks_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert _accept(site) == ExitCode.INCOMPLETE
    assert not site.settings.accepted.exists()


def test_accept_says_everything_that_stands_against_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.policy.write_text("schema: 1\nmaximum_rounds: 2\nmaximum_steps: 5\ntasks: [classification]\n")
    save_invitation(
        site.folder / "invitation.json", invitation_for(site.coordinator, Roster(members=())), site.coordinator
    )
    assert _accept(site, "--yes") == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    for part in ("more rounds", "more training steps", "does not allow this task", "not in the invitation's roster"):
        assert part in said
    assert not site.settings.accepted.exists()


def test_accept_refuses_a_changed_invitation(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.folder / "invitation.json"
    content = json.loads(path.read_text())
    content["invitation"]["address"] = "attacker.example:443"
    path.write_text(json.dumps(content))
    assert _accept(site, "--yes") == ExitCode.BAD_INPUT
    assert "was changed after the coordinator had signed it" in capsys.readouterr().err
    assert not site.settings.accepted.exists()


def test_accept_refuses_a_roster_with_other_keys(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build_site(tmp_path / "other")
    save_invitation(site.folder / "invitation.json", other.invitation, other.coordinator)
    assert _accept(site, "--yes") == ExitCode.BAD_INPUT
    assert "other keys for this site" in capsys.readouterr().err


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["--version"]) == ExitCode.OK
    assert run(app, []) == ExitCode.BAD_INPUT
    assert "init" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        (None, ("the loss, dice over at least 2 cases", "are scored once, for the model of the last round")),
        (Leaves(test=False), ("the loss, dice", "are not scored in this federation")),
        (Leaves(metrics=("dice",)), ("after each round, dice over at least 2 cases", "scored once")),
        (Leaves(metrics=(), test=False), ("no scores", "are not scored")),
    ],
)
def test_an_offer_says_which_scores_leave(tmp_path: Path, leaves: Leaves | None, said: tuple[str, ...]) -> None:
    site = build_site(tmp_path / "site")
    plan = site.invitation.plan.model_copy(update={"leaves": leaves})
    offer = _offer(site, plan=plan)
    shown = "\n".join(describe_offer(offer))
    assert all(words in shown for words in said), shown


def test_an_offer_says_which_values_are_one_class(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    plain = site.invitation.open_study()
    assert "Classes" not in "\n".join(describe_offer(_offer(site)))
    merged = Study.model_validate(
        {**plain.model_dump(by_alias=True), "classes": {"tumour": (1, 2, 4), "edema": 3}, "rest": "background"}
    )
    plan = site.invitation.plan.model_copy(update={"study": merged.digest})
    study = study_to_bytes(merged).decode()
    offer = _offer(site, plan=plan, study=study)
    rest = "every value of a mask that no class names counts as background"
    assert f"Classes      tumour is 1, 2 or 4; {rest}" in describe_offer(offer)


@pytest.mark.parametrize("inputs", [(), ("scan",)])
def test_an_offer_says_what_of_the_table_the_network_is_given(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    """Who agrees to it must know that ages or findings are learned from, and not images alone."""
    site = build_site(tmp_path / "site")
    images = {"inputs": inputs, **({"model": {"name": "resnet", "dimensions": 2}} if inputs else {})}
    columns = {"sex": ["f", "m"], "HIV  status": ["0", "1"]}
    study = study_of(changed(TABLE, columns=columns, patches={"size": [32, 32]}, **images))
    plan = site.invitation.plan.model_copy(update={"study": study.digest})
    shown = describe_offer(_offer(site, plan=plan, study=study_to_bytes(study).decode()))
    assert "Columns      the network is given HIV status, sex" in shown
    assert any(line.endswith(f"from {inputs[0] if inputs else 'the table'}") for line in shown)


@pytest.mark.parametrize("required", [True, False])
def test_an_offer_says_which_column_the_table_must_have(tmp_path: Path, required: bool) -> None:
    site = build_site(tmp_path / "site")
    plan = site.invitation.plan.model_copy(update={"require": Requirements(patient_column=required)})
    offer = _offer(site, plan=plan)
    assert ("must have a PatientID column" in "\n".join(describe_offer(offer))) is required

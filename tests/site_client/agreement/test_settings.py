"""site.yaml and policy.yaml: every problem at once, paths from the file's folder, a policy only its owner edits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.site_client.support import build_site
from tests.support.keeping import SECRETS, SETTINGS
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.site_client.agreement.settings import Policy, load_policy, load_settings
from wardround.site_client.cli import app
from wardround.site_client.setup.preflight import check_site


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_relative_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path / "site.yaml", "schema: 1\nname: north\nmanifest: data/cases.csv\n"))
    assert settings.manifest == tmp_path / "data/cases.csv"
    assert settings.keys == tmp_path / "keys"
    assert settings.assets == {}
    text = "schema: 1\nname: north\nmanifest: a.csv\nassets: {pretrained: weights.safetensors, other: /o}\n"
    found = load_settings(_write(tmp_path / "site.yaml", text)).assets
    assert found == {"pretrained": tmp_path / "weights.safetensors", "other": Path("/o")}


def test_absolute_paths_stay(tmp_path: Path) -> None:
    text = f"schema: 1\nname: north\nmanifest: {tmp_path}/a.csv\nwork: {tmp_path}/elsewhere\n"
    assert load_settings(_write(tmp_path / "site.yaml", text)).work == tmp_path / "elsewhere"


def test_every_problem_is_reported_with_its_line_and_the_closest_key(tmp_path: Path) -> None:
    text = "schema: 1\nname: North!\nmanifst: data.csv\nhealth_port: 99999\n"
    with pytest.raises(InputError) as caught:
        load_settings(_write(tmp_path / "site.yaml", text))
    said = str(caught.value)
    for part in ("site.yaml:2, name", "site.yaml:3", "Did you mean 'manifest'?", "site.yaml:4, health_port"):
        assert part in said


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_policy_that_others_may_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = _write(tmp_path / "policy.yaml", "schema: 1\n")
    path.chmod(mode)
    with pytest.raises(InputError, match="chmod go-w"):
        load_policy(path)


def test_a_policy_has_careful_defaults(tmp_path: Path) -> None:
    policy = load_policy(_write(tmp_path / "policy.yaml", "schema: 1\n"))
    assert (policy.minimum_train_cases, policy.minimum_validation_cases) == (5, 2)


@pytest.mark.parametrize("text", ["minimum_train_cases: 0", "release: manual", "tasks: [diagnosis]", "extra: 1"])
def test_a_policy_promises_only_what_works(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_policy(_write(tmp_path / "policy.yaml", f"schema: 1\n{text}\n"))


def test_a_metric_covers_its_classes() -> None:
    policy = Policy.model_validate({"schema": 1, "metrics": ["dice", "hd95.inner"]})
    assert [policy.lets_out(name) for name in ("dice", "dice.inner", "hd95.inner", "hd95", "loss")] == [
        True,
        True,
        True,
        False,
        False,
    ]


SITE_FILES = {
    "site.yaml": SETTINGS,
    "policy.yaml": SETTINGS,
    "accepted.json": SETTINGS,
    "keys/signing.key": SECRETS,
    "keys/transport.key": SECRETS,
}


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, ways in SITE_FILES.items() for way in ways], ids=lambda value: value
)
def test_no_command_trusts_a_file_that_others_may_read_or_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, way: str
) -> None:
    site = build_site(tmp_path / "site")
    said = SITE_FILES[name][way](site.folder / name, monkeypatch)
    assert run(app, ["check", "--offline", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    assert said in capsys.readouterr().err
    # The courier is the process that trusts them; it asks for the policy anew with each task.
    if name != "policy.yaml":
        assert run(app, ["courier", "--config", str(site.config)]) == ExitCode.BAD_INPUT
        assert said in capsys.readouterr().err


def test_what_init_and_accept_write_is_kept_well_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "site").mkdir(mode=0o755)
        site = build_site(tmp_path / "site")
        findings = check_site(site.config, online=False).findings
    finally:
        os.umask(before)
    kept = {str(site.folder / name) for name in SITE_FILES} | {str(site.folder), str(site.settings.keys)}
    assert [problem for problem in findings.problems if problem.where in kept] == []


@pytest.mark.parametrize("key", ["manifest", "work", "keys", "policy", "accepted"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("$HOME/a", "variables of a shell mean nothing here: write the whole path"),
        ("${DATA}/a", "variables of a shell"),
        ("/srv/${SITE}/a", "variables of a shell"),
        ("'%USERPROFILE%/a'", "variables of a shell"),
        ("file:///srv/a", "write the path alone"),
        ("~nobodyatall/a", "this machine knows no such home folder"),
    ],
)
def test_a_path_that_only_a_shell_understands_is_told_as_that(tmp_path: Path, key: str, path: str, said: str) -> None:
    lines = {"manifest": "data.csv"} | {key: path}
    text = "schema: 1\nname: north\n" + "".join(f"{name}: {value}\n" for name, value in lines.items())
    with pytest.raises(InputError) as caught:
        load_settings(_write(tmp_path / "site.yaml", text))
    (problem,) = caught.value.problems
    assert problem.where.endswith(f", {key}")
    assert said in problem.what


def test_the_own_home_folder_may_be_written_with_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = "schema: 1\nname: north\nmanifest: ~/data.csv\nwork: a$b\n"
    settings = load_settings(_write(tmp_path / "site.yaml", text))
    assert settings.manifest == tmp_path / "home" / "data.csv"
    assert settings.work == tmp_path / "a$b", "a sign within a name is a letter like others"

"""site.yaml and policy.yaml: every problem at once, paths from the file's folder, a policy only its owner edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.site_client.settings import Policy, load_policy, load_settings


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_relative_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path / "site.yaml", "schema: 1\nname: north\nmanifest: data/cases.csv\n"))
    assert settings.manifest == tmp_path / "data/cases.csv"
    assert settings.keys == tmp_path / "keys"


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


@pytest.mark.parametrize("text", ["minimum_train_cases: 0", "release: manual", "tasks: [synthesis]", "extra: 1"])
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

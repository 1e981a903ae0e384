"""Next year's release beside this one: what it writes stays readable; what it adds is named as later, not as damage."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.test_corpus import RELEASES
from tests.support.checkout import CHECKOUT
from tests.support.studies import CLASSIFICATION, study_of
from wardround import __version__
from wardround.aggregator.roster.enrolment import read_roster
from wardround.aggregator.roster.key_changes import changes_file, read_changes
from wardround.aggregator.rounds.records import FoldDecision, RoundOrder, RoundResult, read_record
from wardround.engine.basics.canonical import canonical_json, canonical_model
from wardround.engine.basics.files import checked
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import LaterReleaseError, is_later
from wardround.engine.cohort.assignment import read_assignment
from wardround.engine.experiments.learned import unseen
from wardround.engine.experiments.learned_record import LEARNED
from wardround.engine.experiments.models import load_model, write_weights
from wardround.engine.networks import build_network
from wardround.engine.study import study_from_bytes
from wardround.engine.training.weights import copy_weights
from wardround.federation.identities import EnrolmentRequest
from wardround.federation.invitation import load_invitation
from wardround.federation.protocol import Plan
from wardround.site_client.agreement.account import Account
from wardround.site_client.agreement.agreement import Refusal, load_agreement, read_accepted
from wardround.site_client.agreement.rotation import read_rotations

LATEST = RELEASES[-1]
Open = Callable[[Path], object]


def test_every_schema_may_grow_and_all_that_was_written_stays_as_it_is() -> None:
    tests = ["tests/corpus/test_corpus.py", "-k", "study_keeps or message_keeps or invitation_and"]
    command = [sys.executable, "-m", "tests.corpus.grown", "-q", "-p", "no:cacheprovider", *tests]
    found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]


def _cases() -> dict[str, tuple[str, Open]]:
    return {
        "invitation": ("site/invitation.json", load_invitation),
        "agreement": ("site/accepted.json", read_accepted),
        "request": ("site/north.pub", EnrolmentRequest.load),
        "roster": ("aggregator/roster.json", read_roster),
        "plan": ("aggregator/plan.json", lambda path: read_record(path, Plan)),
        "order": ("aggregator/rounds/0001/order.json", lambda path: read_record(path, RoundOrder)),
        "decision": ("aggregator/rounds/0001/fold.json", lambda path: read_record(path, FoldDecision)),
        "result": ("aggregator/rounds/0001/result.json", lambda path: read_record(path, RoundResult)),
    }


def _json_of(content: bytes) -> Any:
    return json.loads(content[content.index(b"{") :])


@pytest.mark.parametrize("name", _cases())
def test_a_key_of_a_later_release_is_named_as_that(name: str, tmp_path: Path) -> None:
    source, opened = _cases()[name]
    content = _json_of((LATEST / source).read_bytes())
    for place in [content, content["invitation"]["plan"]] if name == "invitation" else [content]:
        place["test_time_scale"] = True
        path = tmp_path / Path(source).name
        path.write_bytes(checked(canonical_json(content)) if name in {"plan", "order", "decision", "result"} else b"")
        if not path.stat().st_size:
            path.write_bytes(canonical_json(content))
        path.chmod(0o600)
        with pytest.raises(LaterReleaseError) as raised:
            opened(path)
        del place["test_time_scale"]
        told = str(raised.value)
        assert "test_time_scale" in told
        assert "later release" in told
        assert f"release {__version__}" in told
        assert "Update" in told


@pytest.mark.parametrize(
    ("file", "opened"),
    [
        ("rotations.json", lambda path: read_rotations(path.parent)),
        (changes_file(Path("roster.json")).name, lambda path: read_changes(path.with_name("roster.json"))),
        ("assignment.json", read_assignment),
        (LEARNED, lambda path: unseen(path.parent / "model", None)),  # type: ignore[arg-type]
    ],
    ids=["rotations", "changes", "assignment", "learned"],
)
def test_an_optional_file_of_a_later_release_is_not_taken_for_damage(file: str, opened: Open, tmp_path: Path) -> None:
    held: dict[str, Any] = {"rotations.json": {"rotations": []}, LEARNED: {"seed": 1, "names": {}, "images": {}}}.get(
        file, {"changes": []}
    )
    if file == "assignment.json":
        held = {"seed": 1, "stated": False, "outer_folds": 5, "inner_folds": 5}
    path = tmp_path / file
    content = canonical_json({**held, "later": 1})
    path.write_bytes(checked(content) if file == LEARNED else content)
    path.chmod(0o600)
    with pytest.raises(LaterReleaseError, match="later"):
        opened(path)


def test_what_was_done_under_a_later_release_is_not_thrown_away(tmp_path: Path) -> None:
    from wardround.site_client.agreement.chained import ChainedLog

    plan = load_agreement(_private(LATEST / "site" / "accepted.json", tmp_path)).plan
    log = ChainedLog(tmp_path / f"{plan.digest}.jsonl")
    log.read()
    log.append({"time": "", "deed": "paused", "stage": "train", "round": 1})
    before = log.path.read_bytes()
    with pytest.raises(Refusal, match="later release"):
        Account(tmp_path, plan).tally()
    with pytest.raises(LaterReleaseError):
        Account(tmp_path, plan).glance()
    assert log.path.read_bytes() == before


def _private(source: Path, folder: Path) -> Path:
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("change", [{"later": 1}, {"modality": "ultrasound"}, {"model": {"name": "mamba"}}], ids=str)
def test_a_model_folder_of_a_later_release_says_so(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(CLASSIFICATION)
    with monkeypatch.context() as later:
        later.setattr("wardround.engine.experiments.models.__version__", "9.1.0")
        write_weights(tmp_path / "model.safetensors", study, copy_weights(build_network(study)), 1)
    content = json.loads(canonical_model(study))
    (tmp_path / "study.yaml").write_text(json.dumps({**content, **change}))
    with pytest.raises(LaterReleaseError) as raised:
        load_model(tmp_path, device="cpu")
    assert "release 9.1.0" in str(raised.value)
    assert "Update" in str(raised.value)


@pytest.mark.parametrize("change", [{"later": 1}, {"model": {"name": "mamba"}}], ids=str)
def test_a_study_that_a_program_has_written_is_not_called_misspelt(change: dict[str, Any]) -> None:
    content = json.loads(canonical_model(study_of(CLASSIFICATION)))
    with pytest.raises(InputError, match="Update Wardround on this machine, or install the package"):
        study_from_bytes(canonical_json({**content, **change}))


@pytest.mark.parametrize(
    ("release", "later"),
    [("9.0.0", True), ("0.10.0", True), (__version__, False), ("0.1.0", False), ("", False), (None, False), (3, False)],
)
def test_releases_are_compared_as_numbers(release: object, later: bool) -> None:
    assert is_later(release) is later

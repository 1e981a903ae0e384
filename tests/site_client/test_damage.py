"""One damaged byte in any file of the work folder: the run ends with the same weights, or the file is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.site_client.support import (
    ROUNDS,
    FakeLaboratory,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.federation.protocol import Done, Missing, Refused, Stage, Task, Working
from wardround.site_client.courier import Courier
from wardround.site_client.events import Event, Role, log_path, read_log

COHORT = FakeLaboratory().cohort.digest
LOGS, PROCESSES = "events", (".lock", ".pid", ".sock")


def _play(site: Site, courier: Courier, task: Task, base: bytes) -> bytes:
    """Ask as an aggregator does until the work is done; the update."""
    send = b""
    for _ in range(60):
        reply, update = site.open(courier.handle(site.sealed(task, send)))
        send = base if isinstance(reply, Missing) else b""
        assert not isinstance(reply, Refused), reply
        if isinstance(reply, Done):
            return update
        assert isinstance(reply, Missing | Working), reply
    raise AssertionError("it was never done")


def _tasks(site: Site) -> list[tuple[Task, bytes]]:
    """Three rounds and the final evaluation, each task accepting the one before."""
    found: list[tuple[Task, bytes]] = []
    for number in range(1, ROUNDS + 1):
        base = base_model(number)
        accepted = found[-1][0].work_key if found else None
        found.append((site.task(Stage.TRAIN, number, base, COHORT, accepted=accepted), base))
    base = base_model(9)
    found.append((site.task(Stage.EVALUATE, ROUNDS + 1, base, COHORT, accepted=found[-1][0].work_key), base))
    return found


def _until_round(folder: Path, rounds: int) -> tuple[Site, list[bytes]]:
    """A site that has done so many rounds."""
    site = build_site(folder)
    with working_site(site, FakeLaboratory()) as courier:
        return site, [_play(site, courier, task, base) for task, base in _tasks(site)[:rounds]]


def _files(work: Path) -> list[Path]:
    return [
        path
        for path in sorted(work.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.suffix not in PROCESSES and LOGS not in path.parts
    ]


def _flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[min(len(content) - 1, int(place * len(content)))] ^= 0x10
    path.write_bytes(content)


def _named(site: Site) -> list[str]:
    """Files that the site's logs speak of as damaged."""
    events = (Event.DAMAGE_FOUND, Event.STATE_DAMAGED)
    roles = (Role.COURIER, Role.WORKER)
    entries = [entry for role in roles for entry in read_log(log_path(site.settings.work, role))]
    return [str(entry.facts.get("file")) for entry in entries if entry.event in events]


@pytest.mark.parametrize(
    "place", [0.5, pytest.param(0.0, marks=pytest.mark.slow), pytest.param(1.0, marks=pytest.mark.slow)]
)
def test_a_flipped_byte_in_any_file_gives_the_same_weights_or_is_named(tmp_path: Path, place: float) -> None:
    """After round 2 every file is damaged in turn; then round 2 is asked for again, and the run goes on to its end."""
    _, expected = _until_round(tmp_path / "undisturbed", ROUNDS + 1)
    first, _ = _until_round(tmp_path / "two", 2)
    names = [path.relative_to(first.settings.work) for path in _files(first.settings.work)]
    kinds = {name.parts[0] for name in names}
    assert {"tasks", "outbox", "results", "state", "account"} <= kinds
    for number, name in enumerate(names):
        site = Site(tmp_path / str(number), first.coordinator, first.invitation)
        shutil.copytree(first.folder, site.folder, ignore=shutil.ignore_patterns("*.sock"))
        _flip(site.settings.work / name, place)
        with working_site(site, FakeLaboratory()) as courier:
            updates = [_play(site, courier, task, base) for task, base in _tasks(site)[1:]]
        if updates != expected[1:]:
            assert "committed" in name.parts or "pending" in name.parts, name
            assert any(Path(found).name == name.name for found in _named(site)), name
        shutil.rmtree(site.folder)


@pytest.mark.parametrize("kind", ["result.json", "update.safetensors", "base.safetensors"])
def test_what_is_damaged_before_it_was_signed_is_made_again(tmp_path: Path, kind: str) -> None:
    _, expected = _until_round(tmp_path / "undisturbed", 1)
    site, _ = _until_round(tmp_path / "site", 1)
    shutil.rmtree(site.settings.work / "outbox")
    task, base = _tasks(site)[0]
    for place in (0.1, 0.9):
        (found,) = (path for path in _files(site.settings.work) if path.name == kind)
        _flip(found, place)
        with working_site(site, FakeLaboratory()) as courier:
            assert _play(site, courier, task, base) == expected[0]
        assert str(found) in _named(site)
        shutil.rmtree(site.settings.work / "outbox")


@pytest.mark.parametrize("name", ["body.json", "signature", "arrived.sha256", "base.safetensors"])
def test_a_task_that_is_damaged_before_it_is_done_is_asked_for_again(tmp_path: Path, name: str) -> None:
    _, expected = _until_round(tmp_path / "undisturbed", 1)
    site = build_site(tmp_path / "site")
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.3"))
    task, base = _tasks(site)[0]
    courier_of(site).handle(site.sealed(task, base))
    _flip(site.settings.work / "tasks" / str(task.work_key) / name, 0.5)
    laboratory = FakeLaboratory()
    with working_site(site, laboratory) as courier:
        assert _play(site, courier, task, base) == expected[0]
    assert sum(call.startswith("train") for call in laboratory.calls) == 1


def test_a_damaged_state_is_never_used_and_both_ends_are_told(tmp_path: Path) -> None:
    site, _ = _until_round(tmp_path / "site", 2)
    hello = site.hello().model_copy(update={"features": ("state_lost",)})
    (blob,) = (site.settings.work / "state" / "pending").glob("*/*.blob")
    _flip(blob, 0.5)
    laboratory = FakeLaboratory()
    with working_site(site, laboratory) as courier:
        courier.handle(site.sealed(hello))
        task, base = _tasks(site)[2]
        _play(site, courier, task, base)
        body = json.loads(courier.handle(site.sealed(task)).body)
    assert body["state_lost"] is True
    assert "train 8-12 carried []" in laboratory.calls
    assert [Path(name).name for name in _named(site)] == [blob.name]
    assert (site.settings.work / "state" / "damaged" / blob.name).exists(), "it is kept for the site's staff"


def test_half_of_an_evaluation_is_scored_again(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    task, base = _tasks(site)[0]
    laboratory = FakeLaboratory(error=OSError(28, "no space"))
    with working_site(site, laboratory) as courier:
        site.open(courier.handle(site.sealed(task, base)))
    (scores,) = site.settings.work.rglob("evaluation.json")
    _flip(scores, 0.8)
    again = FakeLaboratory()
    with working_site(site, again) as courier:
        _play(site, courier, task, base)
    assert again.calls.count("evaluate validation") == 1
    assert str(scores) in _named(site)

"""One damaged byte, or a file that is gone or unreadable: the run ends with the same weights, or the file is named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site_client.support import (
    ROUNDS,
    FakeEngine,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.engine.basics.files import discard
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import Done, Missing, Refused, Stage, Task, Working
from wardround.site_client.courier.handler import Courier
from wardround.site_client.events import Event, Role, log_path
from wardround.site_client.worker import shared_state

pytestmark = pytest.mark.usefixtures("quick_to_stop")
COHORT = FakeEngine().cohort.digest
LOGS, PROCESSES = "events", (".lock", ".pid", ".sock")


@pytest.fixture
def quick_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that notices at once that it is to end: there are many here."""
    monkeypatch.setattr(shared_state, "_IDLE_SECONDS", 0.02)


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
    with working_site(site, FakeEngine()) as courier:
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
    entries = [entry for role in roles for entry in read_entries(log_path(site.settings.work, role))]
    return [str(entry.facts.get("file")) for entry in entries if entry.event in events]


def _flip_first(path: Path) -> None:
    _flip(path, 0.0)


def _flip_middle(path: Path) -> None:
    _flip(path, 0.5)


def _flip_last(path: Path) -> None:
    _flip(path, 1.0)


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _remove(path: Path) -> None:
    path.unlink()


def _fold(path: Path) -> None:
    """A folder in its place: it is there and cannot be read, as a file in a bad sector or of another user."""
    path.unlink()
    path.mkdir()


def _kinds(work: Path) -> list[Path]:
    """One file of each kind: of entries that are named by digests the first."""
    kinds: dict[str, Path] = {}
    for path in _files(work):
        kinds.setdefault(re.sub(r"[0-9a-f]{64}", "*", str(path.relative_to(work))), path.relative_to(work))
    return list(kinds.values())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The updates of a run to which nothing happens."""
    return _until_round(tmp_path_factory.mktemp("undisturbed") / "site", ROUNDS + 1)[1]


@pytest.fixture(scope="module")
def after_two(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that has done two rounds."""
    return _until_round(tmp_path_factory.mktemp("two") / "site", 2)[0]


@pytest.mark.parametrize(
    "damage",
    [
        _flip_middle,
        _remove,
        _fold,
        *(pytest.param(slow, marks=pytest.mark.slow) for slow in (_flip_first, _flip_last, _cut, _empty)),
    ],
)
def test_damage_to_a_file_of_any_kind_gives_the_same_weights_or_is_named(
    tmp_path: Path, undisturbed: list[bytes], after_two: Site, damage: Callable[[Path], None]
) -> None:
    """After round 2 a file is damaged; then round 2 is asked for again, and the run goes on to its end."""
    kinds = _kinds(after_two.settings.work)
    assert {"tasks", "outbox", "results", "state", "account"} <= {name.parts[0] for name in kinds}
    assert len(kinds) > 12
    for number, name in enumerate(kinds):
        site = Site(tmp_path / str(number), after_two.coordinator, after_two.invitation)
        shutil.copytree(after_two.folder, site.folder, ignore=shutil.ignore_patterns("*.sock"))
        damage(site.settings.work / name)
        with working_site(site, FakeEngine()) as courier:
            updates = [_play(site, courier, task, base) for task, base in _tasks(site)[1:]]
        if updates != undisturbed[1:]:
            assert name.parts[0] == "state", name
            assert any(Path(found).name == name.name for found in _named(site)), name
        assert "Traceback" not in site.log_text(Role.COURIER) + site.log_text(Role.WORKER), name
        shutil.rmtree(site.folder)


def test_the_loss_of_a_carried_state_is_told_however_it_was_lost(tmp_path: Path, after_two: Site) -> None:
    """Also where the folder of the state is there, and nothing is in it."""
    for number, lost in enumerate(("*/*.blob", "*", "*/blobs.json")):
        site = Site(tmp_path / str(number), after_two.coordinator, after_two.invitation)
        shutil.copytree(after_two.folder, site.folder, ignore=shutil.ignore_patterns("*.sock"))
        for found in (site.settings.work / "state" / "pending").glob(lost):
            discard(found)
        engine = FakeEngine()
        with working_site(site, engine) as courier:
            _play(site, courier, *_tasks(site)[2])
        told = {Event.STATE_DAMAGED, Event.STATE_LOST} & set(site.events(Role.WORKER))
        assert bool(told) == ("train 8-12 carried []" in engine.calls) == (lost != "*/blobs.json"), lost


@pytest.mark.parametrize("kind", ["result.json", "update.safetensors", "base.safetensors"])
def test_what_is_damaged_before_it_was_signed_is_made_again(
    tmp_path: Path, undisturbed: list[bytes], kind: str
) -> None:
    site, _ = _until_round(tmp_path / "site", 1)
    shutil.rmtree(site.settings.work / "outbox")
    task, base = _tasks(site)[0]
    for damage in (_flip_middle, _cut, _fold):
        (found,) = (path for path in _files(site.settings.work) if path.name == kind)
        damage(found)
        with working_site(site, FakeEngine()) as courier:
            assert _play(site, courier, task, base) == undisturbed[0]
        assert str(found) in _named(site)
        shutil.rmtree(site.settings.work / "outbox")


@pytest.mark.parametrize("damage", [_flip_middle, _cut, _fold])
@pytest.mark.parametrize("name", ["body.json", "signature", "arrived.sha256", "base.safetensors"])
def test_a_task_that_is_damaged_before_it_is_done_is_asked_for_again(
    tmp_path: Path, undisturbed: list[bytes], name: str, damage: Callable[[Path], None]
) -> None:
    site = build_site(tmp_path / "site")
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.3"))
    task, base = _tasks(site)[0]
    courier_of(site).handle(site.sealed(task, base))
    damage(site.settings.work / "tasks" / str(task.work_key) / name)
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        assert _play(site, courier, task, base) == undisturbed[0]
    assert sum(call.startswith("train") for call in engine.calls) == 1


def test_a_damaged_state_is_never_used_and_both_ends_are_told(tmp_path: Path) -> None:
    site, _ = _until_round(tmp_path / "site", 2)
    hello = site.hello().model_copy(update={"features": ("state_lost",)})
    (blob,) = (site.settings.work / "state" / "pending").glob("*/*.blob")
    _flip(blob, 0.5)
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        courier.handle(site.sealed(hello))
        task, base = _tasks(site)[2]
        _play(site, courier, task, base)
        body = json.loads(courier.handle(site.sealed(task)).body)
    assert body["state_lost"] is True
    assert "train 8-12 carried []" in engine.calls
    assert [Path(name).name for name in _named(site)] == [blob.name]
    assert (site.settings.work / "state" / "damaged" / blob.name).exists(), "it is kept for the site's staff"


def test_half_of_an_evaluation_is_scored_again(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    task, base = _tasks(site)[0]
    engine = FakeEngine(error=OSError(28, "no space"))
    with working_site(site, engine) as courier:
        site.open(courier.handle(site.sealed(task, base)))
    (scores,) = site.settings.work.rglob("evaluation.json")
    _flip(scores, 0.8)
    again = FakeEngine()
    with working_site(site, again) as courier:
        _play(site, courier, task, base)
    assert again.calls.count("evaluate validation") == 1
    assert str(scores) in _named(site)

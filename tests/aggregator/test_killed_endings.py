"""What is kept beside a run's rounds survives a kill and a damaged byte: who was told, that it was ended, its times."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from pydantic import BaseModel

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.rounds.test_conclusion import conclusion
from tests.aggregator.rounds.test_mending import flip
from tests.aggregator.test_endings import MOMENT, STOPS, told
from tests.aggregator.test_resume import SimulatedCrashError, crash_instead_of, crashing_at
from wardround.aggregator.journal import Event
from wardround.aggregator.rounds import timing
from wardround.aggregator.rounds.records import Ended, write_record
from wardround.federation.endings import EndReason


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "first byte": lambda path: flip(path, 0),
    "last byte": lambda path: flip(path, path.stat().st_size - 1),
    "empty": _empty,
    "half": _half,
    "a folder in its place": _folder,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_who_was_told_is_forgotten_when_it_is_damaged_and_told_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    bench = Bench(tmp_path, rounds=1)
    assert bench.run().complete
    conclusion(bench).tell()
    damage(bench.state.root / "told.json")
    assert bench.state.told() is None
    assert bench.run().complete
    (said,) = bench.journal(Event.RECORD_MENDED)
    assert said.facts["file"] == str(bench.state.root / "told.json")
    assert conclusion(bench).tell().sites == bench.names
    assert bench.models() == expected_models(bench)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_run_that_was_ended_stays_so_and_goes_on_when_it_is_reopened_whatever_the_damage(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    bench, outcome = STOPS[EndReason.ENDED](tmp_path)
    told(bench, outcome.end).tell()
    for name in ("ended.json", "told.json"):
        damage(bench.state.root / name)
    assert bench.run() == outcome
    bench.state.reopen()
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


def test_a_kill_at_any_step_of_telling_tells_each_site_in_the_end(tmp_path: Path) -> None:
    finished = Bench(tmp_path / "finished", rounds=1)
    assert finished.run().complete
    step, killed = 0, True
    while killed:
        step += 1
        shutil.copytree(finished.folder, tmp_path / str(step))
        bench = Bench(tmp_path / str(step), rounds=1)
        assert bench.run().complete
        with crashing_at(step) as fuse:
            with contextlib.suppress(SimulatedCrashError):
                conclusion(bench).tell()
            killed = fuse.left <= 0
        assert bench.run().complete
        assert conclusion(bench).tell().sites == bench.names
        assert all(site.concluded for site in bench.sites.values()), step
    assert step > 3 * len(finished.names)


def test_a_kill_at_any_step_of_ending_and_of_taking_up_leaves_either_and_can_be_repeated(tmp_path: Path) -> None:
    for step in range(1, 6):
        bench, outcome = STOPS[EndReason.ENDED](tmp_path / str(step))
        told(bench, outcome.end).tell()
        with crashing_at(step), contextlib.suppress(SimulatedCrashError):
            bench.state.reopen()
            bench.state.end(Ended(plan=bench.plan.digest, moment=MOMENT))
        assert bench.run().complete is not bench.state.is_ended
        bench.state.reopen()
        assert bench.run().complete
        assert bench.models() == expected_models(bench)
        assert conclusion(bench).tell().sites == bench.names


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_damaged_times_of_a_round_begin_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=1, deadline=50.0)
    with crash_instead_of("commit"), contextlib.suppress(SimulatedCrashError):
        bench.run()
    damage(bench.state.round(1).times_path)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_a_kill_where_the_times_of_a_round_are_written_changes_no_model(tmp_path: Path, *, after: bool) -> None:
    cut, step = Cut(0, after), 0
    while cut.killed or step == 0:
        step += 1
        cut = Cut(step, after)
        bench = Bench(tmp_path / str(step), names=("north", "south"), rounds=1, deadline=50.0)
        with mock.patch.object(timing, "write_record", cut), contextlib.suppress(SimulatedCrashError):
            bench.run()
        assert bench.run().complete
        assert bench.models() == expected_models(bench)
    assert step > 2


@dataclass
class Cut:
    """Ends the process before or after a record is written for the `step`th time."""

    step: int
    after: bool
    killed: bool = False

    def __call__(self, path: Path, record: BaseModel) -> None:
        self.step -= 1
        self.killed = self.step <= 0
        if self.killed and not self.after:
            raise SimulatedCrashError
        write_record(path, record)
        if self.killed:
            raise SimulatedCrashError

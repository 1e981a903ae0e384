"""A crash at any durable step, any order of arrival, any weather: the same bytes as the undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import Weather, trained
from wardround.aggregator.rounds.records import RoundResult, accepted_keys
from wardround.aggregator.rounds.state import RoundFolder
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Stage

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)


class SimulatedCrashError(BaseException):
    """The aggregator's process is gone."""


class Fuse:
    """Counts durable steps, and ends the process at one of them."""

    def __init__(self, blow_at: int) -> None:
        self.left = blow_at

    def step(self, *_: object) -> None:
        """A durable step is about to be made certain."""
        self.left -= 1
        if self.left == 0:
            raise SimulatedCrashError


@contextmanager
def crashing_at(step: int) -> Iterator[Fuse]:
    """Crash at the n-th file that is made durable, renamed into place, or removed."""
    fuse, unlink = Fuse(step), Path.unlink

    def remove(path: Path, missing_ok: bool = False) -> None:
        if not path.name.endswith(".tmp"):
            fuse.step()
        unlink(path, missing_ok=missing_ok)

    with mock.patch.object(os, "fsync", fuse.step), mock.patch.object(Path, "unlink", remove):
        yield fuse


def crash_instead_of(step: str) -> AbstractContextManager[mock.MagicMock]:
    """Crash where a round would begin, decide or commit."""
    return mock.patch.object(RoundFolder, step, side_effect=SimulatedCrashError)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A run that nothing happened to, and the number of its durable steps."""
    bench = Bench(tmp_path_factory.mktemp("undisturbed"), names=("north", "south"), rounds=2)
    with crashing_at(-1):
        bench.run()
    return bench


def durable_steps() -> int:
    """How many durable steps a small run has."""
    with tempfile.TemporaryDirectory() as folder, crashing_at(0) as fuse:
        Bench(Path(folder), names=("north", "south"), rounds=2).run()
        return -fuse.left


def scores(bench: Bench) -> list[list[tuple[str, str, int]]]:
    """What each round folded, apart from times and traffic."""
    return [[(site.site, site.work_key, site.train_cases) for site in result.sites] for result in bench.state.results()]


def test_a_crash_at_any_durable_step_changes_nothing(tmp_path: Path, undisturbed: Bench) -> None:
    steps = durable_steps()
    assert steps > 80
    for step in range(1, steps + 1):
        bench = Bench(tmp_path / str(step), names=("north", "south"), rounds=2)
        with crashing_at(step), pytest.raises(SimulatedCrashError):
            bench.run()
        assert bench.run().complete, step
        assert bench.models() == undisturbed.models(), step
        assert scores(bench) == scores(undisturbed), step
        assert [site.trainings for site in bench.sites.values()] == [2, 2], step
        shutil.rmtree(bench.folder)


def test_a_copy_of_the_folder_taken_at_any_event_resumes_to_the_same_end(tmp_path: Path, undisturbed: Bench) -> None:
    bench = Bench(tmp_path / "first", names=("north", "south"), rounds=2)
    copies: list[Path] = []

    class Copier(list):  # type: ignore[type-arg]
        def append(self, entry: object) -> None:
            copies.append(tmp_path / f"copy-{len(copies)}")
            shutil.copytree(bench.folder, copies[-1])

    bench.said = Copier()
    bench.run()
    assert len(copies) > 30
    for copy in copies:
        resumed = Bench(copy, names=("north", "south"), rounds=2, sites=bench.sites)
        assert resumed.run().complete
        assert resumed.models() == undisturbed.models()


def test_a_round_whose_replies_are_all_here_is_not_asked_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=1, final=False)
    with crash_instead_of("decide"), pytest.raises(SimulatedCrashError):
        bench.run()
    asked = [len(site.tasks) for site in bench.sites.values()]
    assert bench.run().complete
    assert [len(site.tasks) for site in bench.sites.values()] == asked


@pytest.mark.parametrize("part", ["body.json", "signature", "update.safetensors"])
def test_a_stored_reply_that_is_damaged_is_asked_for_again(tmp_path: Path, part: str) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=1)
    with crash_instead_of("commit"), pytest.raises(SimulatedCrashError):
        bench.run()
    path = tmp_path / "rounds" / "0001" / "inbox" / "north" / "reply" / part
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert [entry.facts["site"] for entry in bench.journal("reply_damaged")] == ["north"]


def test_a_decision_stands_even_if_more_replies_come_before_it_is_carried_out(tmp_path: Path) -> None:
    gone = [True]
    bench = Bench(tmp_path, quorum=2, deadline=50.0, rounds=1, away=lambda site, now: gone[0] and site == "north")
    with crash_instead_of("commit"), pytest.raises(SimulatedCrashError):
        bench.run()
    gone[0] = False
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}})
    assert [absence.site for absence in bench.state.results()[0].absent] == ["north"]


def random_weather(numbers: random.Random, loss: float, slowest: float) -> Callable[[str, float], Weather]:
    """Exchanges of random length, some of which do not reach the site or do not come back."""

    def weather(site: str, now: float) -> Weather:
        return Weather(numbers.uniform(0.01, slowest), numbers.random() > loss, numbers.random() > loss)

    return weather


def random_absence(numbers: random.Random, names: tuple[str, ...]) -> Callable[[str, float], bool]:
    """Each site is away for some stretches of the first ten minutes."""
    stretches = {
        name: [(start := numbers.uniform(0, 400), start + numbers.uniform(5, 200)) for _ in range(2)] for name in names
    }
    return lambda site, now: any(start <= now < end for start, end in stretches[site])


def play_with_crashes(bench: Bench, numbers: random.Random, crashes: int) -> None:
    """Run to the end; on the way the aggregator crashes up to `crashes` times."""
    for _ in range(crashes):
        with crashing_at(numbers.randrange(1, 150)):
            try:
                bench.run()
            except SimulatedCrashError:
                bench.clock.time += numbers.uniform(0, 100)
    assert bench.run().complete


@QUICK
@given(seed=st.integers(0, 2**32))
def test_any_weather_and_any_crashes_give_the_undisturbed_models(seed: int) -> None:
    numbers = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), rounds=2, seed=seed, final=numbers.random() < 0.5)
        bench.link.weather = random_weather(numbers, loss=numbers.choice([0, 0.1, 0.4]), slowest=30)
        bench.link.away = random_absence(numbers, bench.names)
        play_with_crashes(bench, numbers, crashes=numbers.randrange(3))
        wanted = expected_models(bench)
        assert bench.models() == (wanted if bench.final else wanted[:-1])
        assert all(site.trainings == 2 for site in bench.sites.values())


@QUICK
@given(seed=st.integers(0, 2**32))
def test_with_a_quorum_and_a_deadline_each_model_is_the_mean_of_the_sites_that_its_round_names(seed: int) -> None:
    numbers = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), rounds=3, seed=seed, quorum=2, deadline=60.0)
        bench.link.weather = random_weather(numbers, loss=0.2, slowest=60)
        bench.link.away = random_absence(numbers, bench.names)
        play_with_crashes(bench, numbers, crashes=numbers.randrange(3))
        results = bench.state.results()
        folded = [{site.site for site in result.sites} for result in results]
        assert all(len(sites) >= 2 for sites in folded)
        absent = {number: set(bench.names) - sites for number, sites in enumerate(folded, start=1)}
        assert bench.models() == expected_models(bench, absent)
        check_acceptance(bench, results)


def check_acceptance(bench: Bench, results: tuple[RoundResult, ...]) -> None:
    """Every task names the site's last folded reply before its round, and nothing else."""
    for name, site in bench.sites.items():
        for task in site.tasks:
            if task.stage is not Stage.HELLO:
                assert task.accepted == accepted_keys(results[: task.round - 1]).get(name)


@settings(QUICK, max_examples=50)
@given(order=st.permutations(["east", "north", "south", "west"]), seed=st.integers(0, 2**16))
def test_the_order_of_arrival_does_not_matter(order: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), names=("east", "north", "south", "west"), rounds=1, final=False, seed=seed)
        bench.link.weather = lambda site, now: Weather(seconds=1.0 + order.index(site))
        assert bench.run().complete
        stored = [entry.facts["site"] for entry in bench.journal("reply_stored")]
        assert stored == order
        assert bench.models() == expected_models(bench)[:-1]


def test_the_expected_models_depend_on_the_sites(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert expected_models(bench) != expected_models(bench, {1: {"north"}})
    assert payload_digest(pack(trained({}, "north", 1))) == payload_digest(pack({}))

"""One damaged byte anywhere in a state folder: the run ends with the same weights, or names the file and a way out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tests.aggregator.bench import Bench, Silence, expected_models
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Scored
from wardround.aggregator.rounds.state import RoundFolder
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError

NAMES = ("north", "south")


class StoppedError(BaseException):
    """The aggregator's process is gone."""


def stopped_at(folder: Path, step: str, number: int) -> Bench:
    """A run that was killed where round `number` would begin, decide or commit."""
    return stopped(Bench(folder, names=NAMES, rounds=2), step, number)


def stopped(bench: Bench, step: str, number: int) -> Bench:
    """The run of a bench, killed in the same way."""
    done = getattr(RoundFolder, step)

    def guard(self: RoundFolder, record: object) -> None:
        if int(self.folder.name) == number:
            raise StoppedError
        done(self, record)

    with mock.patch.object(RoundFolder, step, guard), pytest.raises(StoppedError):
        bench.run()
    return bench


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def error_of(bench: Bench) -> InputError | None:
    """Run to the end; what stopped the run, if something did."""
    try:
        assert bench.run().complete
    except InputError as error:
        return error
    return None


def check_outcome(bench: Bench, path: Path) -> bool:
    """Whether the run ended with its weights; otherwise the error names the file and says what to do."""
    error = error_of(bench)
    if error is None:
        assert bench.models() == expected_models(bench), path
        return True
    assert str(path.relative_to(bench.folder)) in str(error), path
    assert all(problem.remedy for problem in error.problems), path
    assert path.name == "result.json" or path.suffix == ".safetensors", path
    return False


@pytest.mark.parametrize(("step", "number"), [("begin", 2), ("decide", 2), ("commit", 1), ("commit", 2)])
def test_one_damaged_byte_heals_or_is_named(tmp_path: Path, step: str, number: int) -> None:
    first = stopped_at(tmp_path / "first", step, number)
    files = [path.relative_to(first.folder) for path in sorted(first.folder.rglob("*")) if path.is_file()]
    named = []
    for file in files:
        size = (first.folder / file).stat().st_size
        for place in sorted({0, size // 3, size // 2, size - 1}) if size else ():
            copy = tmp_path / "copy"
            shutil.copytree(first.folder, copy)
            flip(copy / file, place)
            bench = Bench(copy, names=NAMES, rounds=2, sites=dict(first.sites))
            if not check_outcome(bench, copy / file):
                named.append(file)
            shutil.rmtree(copy)
    assert len(files) >= 8
    assert {file.name for file in named if file.suffix != ".safetensors"} <= {"result.json"}


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{", b"{}", b"[" * 1000])
@pytest.mark.parametrize("name", ["order.json", "fold.json", "inbox/north/asked.json", "inbox/north/reply/body.json"])
def test_a_file_that_is_lost_altogether_is_made_again(tmp_path: Path, name: str, content: bytes) -> None:
    bench = stopped_at(tmp_path, "commit", 1)
    (tmp_path / "rounds" / "0001" / name).write_bytes(content)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert bench.journal("record_mended") or bench.journal("reply_damaged")


def test_a_decision_is_made_again_from_the_replies_that_were_kept(tmp_path: Path) -> None:
    gone = [True]
    bench = Bench(tmp_path, quorum=2, deadline=50.0, rounds=1, away=lambda site, now: gone[0] and site == "north")
    with mock.patch.object(RoundFolder, "commit", side_effect=StoppedError), pytest.raises(StoppedError):
        bench.run()
    gone[0] = False
    flip(tmp_path / "rounds" / "0001" / "fold.json", 70)
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}})


def test_a_reply_that_is_damaged_between_its_coming_and_its_folding_is_asked_for_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=NAMES, rounds=1)
    decide = RoundFolder.decide
    update = tmp_path / "rounds" / "0001" / "inbox" / "north" / "reply" / "update.safetensors"

    def damage(self: RoundFolder, decision: object) -> None:
        decide(self, decision)  # type: ignore[arg-type]
        if self.folder.name == "0001":
            flip(update, update.stat().st_size - 1)

    with mock.patch.object(RoundFolder, "decide", damage):
        assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert [entry.facts["site"] for entry in bench.journal("reply_damaged")] == ["north"]


def test_a_plan_that_is_damaged_is_not_replaced_by_another(tmp_path: Path) -> None:
    stopped_at(tmp_path, "commit", 1)
    flip(tmp_path / "plan.json", 80)
    with pytest.raises(InputError, match=r"plan\.json"):
        Bench(tmp_path, names=NAMES, rounds=7).run()


def test_a_result_that_is_damaged_is_named_with_the_way_back(tmp_path: Path) -> None:
    bench = stopped_at(tmp_path, "begin", 2)
    flip(tmp_path / "rounds" / "0001" / "result.json", 90)
    with pytest.raises(InputError, match="aggregator undo 1"):
        bench.run()


def poison(loss: float) -> Callable[[RoundResult], RoundResult]:
    """Another training loss of the first site."""
    return lambda result: result.model_copy(
        update={"sites": (result.sites[0].model_copy(update={"loss": loss}), *result.sites[1:])}
    )


def test_a_round_that_was_committed_with_impossible_numbers_is_named_with_the_way_back(tmp_path: Path) -> None:
    bench = stopped_at(tmp_path, "begin", 2)
    path = tmp_path / "rounds" / "0001" / "result.json"
    result = bench.state.round(1).result()
    assert result is not None
    path.write_bytes(canonical_model(poison(1.7e308)(result)))  # as release 0.1.0 wrote it
    with pytest.raises(InputError, match="aggregator undo 1") as caught:
        bench.run()
    assert "north: the training loss is 1.7e+308" in str(caught.value)


class Failing(Silence):
    """A showcase whose folder is full, or whose pages cannot be made."""

    def __init__(self, shows: int = 0, rehearses: bool = True) -> None:
        super().__init__()
        self.shows, self.rehearses = shows, rehearses

    def rehearse(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Fail in the second round."""
        if not self.rehearses and len(results) == 2:
            json.dumps(float("nan"), allow_nan=False)

    def show(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Fail so many times."""
        if self.shows:
            self.shows -= 1
            raise OSError(28, "No space left on device")
        super().show(results, best)


def loop_with(bench: Bench, showcase: Silence) -> RoundLoop:
    """The bench's loop with other outputs."""
    loop = bench.loop()
    loop.showcase = showcase
    return loop


def test_a_full_disk_under_the_results_stops_no_round_and_no_later_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=NAMES, rounds=2)
    assert loop_with(bench, Failing(shows=2)).run().complete
    assert bench.models() == expected_models(bench)
    assert len(bench.journal("outputs_failed")) == 2


def test_results_that_cannot_be_written_to_the_end_are_said_and_written_by_a_later_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=NAMES, rounds=2)
    outcome = loop_with(bench, Failing(shows=10)).run()
    assert (outcome.complete, "No space left" in str(outcome.unwritten)) == (True, True)
    assert bench.models() == expected_models(bench)
    assert bench.run().complete


def test_nothing_is_committed_before_what_follows_from_it_could_be_made(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=NAMES, rounds=2)
    with pytest.raises(InputError, match="round 2 cannot be made; the round is not committed"):
        loop_with(bench, Failing(rehearses=False)).run()
    assert len(bench.state.results()) == 1
    assert bench.run().complete
    assert bench.models() == expected_models(bench)

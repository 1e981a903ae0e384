"""The loop's own decisions: how often it asks anew, what it commits, and what it says once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.aggregator.bench import Bench, Silence, expected_models
from wardround.aggregator.rounds.records import RoundResult, accepted_keys, last_cohorts
from wardround.aggregator.rounds.selection import Scored
from wardround.engine.basics.problems import InputError
from wardround.federation.event_log import Entry
from wardround.federation.protocol import Stage


class _Spoiler(list[Entry]):
    """Damages the reply of a site some times, each time when it has just been stored."""

    def __init__(self, bench: Bench, site: str, times: int) -> None:
        super().__init__()
        self._bench, self._site, self._left = bench, site, times

    def append(self, entry: Entry) -> None:
        """Look at what is being written down."""
        super().append(entry)
        if entry.event == "reply_stored" and entry.facts["site"] == self._site and self._left:
            self._left -= 1
            path = self._bench.state.round(int(str(entry.facts["round"]))).inbox(self._site).folder
            body = path / "reply" / "body.json"
            body.write_bytes(body.read_bytes()[:-1])


@pytest.mark.parametrize("times", [1, 5])
def test_a_reply_that_is_damaged_up_to_five_times_is_asked_for_anew(tmp_path: Path, times: int) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)
    bench.said = _Spoiler(bench, "north", times)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)[:-1]
    assert [entry.facts["site"] for entry in bench.journal("reply_damaged")] == ["north"] * times
    assert [len(bench.journal(event)) for event in ("round_decided", "round_committed")] == [1, 1]


def test_after_the_sixth_time_the_disk_is_named_and_the_same_command_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)
    bench.said = _Spoiler(bench, "north", 6)
    with pytest.raises(InputError, match="damaged again and again") as told:
        bench.run()
    assert "Check the disk" in str(told.value)
    assert "north" in str(told.value)
    assert bench.state.results() == ()
    assert bench.run().complete
    assert bench.models() == expected_models(bench)[:-1]


class _Unable(Silence):
    """A showcase that cannot make what follows from one round."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def rehearse(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Fail at that round."""
        if results[-1].round == self._number:
            raise ZeroDivisionError("a page")


def test_a_round_from_which_nothing_could_follow_is_not_committed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=2, final=False)
    loop = bench.loop()
    loop.showcase = _Unable(2)
    with pytest.raises(InputError, match="what follows from round 2 cannot be made; the round is not committed"):
        loop.run()
    assert [result.round for result in bench.state.results()] == [1]
    assert [entry.facts["round"] for entry in bench.journal("round_committed")] == [1]
    assert bench.run().complete
    assert bench.models() == expected_models(bench)[:-1]
    assert [site.trainings for site in bench.sites.values()] == [2, 2, 2]


@pytest.mark.parametrize(("cases", "heavy"), [(40, ["south"]), (10, [])])
def test_a_site_with_more_than_half_of_the_mean_is_named_once_and_not_in_each_round(
    tmp_path: Path, cases: int, heavy: list[str]
) -> None:
    bench = Bench(tmp_path, rounds=3)
    for name, site in bench.sites.items():
        site.cases = cases if name == "south" else 10
    assert bench.run().complete
    assert [entry.facts["site"] for entry in bench.journal("heavy_site")] == heavy


def test_what_counts_for_the_next_round_is_the_last_of_each_site(tmp_path: Path) -> None:
    """A score is no work of which a site must carry on; whoever was absent keeps what it was last told."""
    bench = Bench(tmp_path, quorum=2, deadline=50.0, rounds=2)
    bench.link.away = lambda site, now: site == "north" and len(bench.state.results()) == 1
    assert bench.run().complete
    first, second, scored = bench.state.results()
    assert scored.stage is Stage.EVALUATE
    assert [site.site for site in second.sites] == ["east", "south"]
    keys = {site.site: site.work_key for site in (*first.sites, *second.sites)}
    assert accepted_keys(bench.state.results()) == keys
    assert set(last_cohorts(bench.state.results())) == {"east", "north", "south"}
    assert [absence.site for absence in second.absent] == ["north"]

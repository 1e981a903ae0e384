"""Sites in trouble, sites that come late, deadlines over restarts: who is waited for, how long, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import CORRELATION, FakeSite, Weather, seeded_keys
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.troubles import MEANINGS, Bearing
from wardround.aggregator.showing.status import site_standing
from wardround.engine.basics.files import Rotation
from wardround.federation.envelope import Envelope
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import RefusalCode, Refused, Stage, Working
from wardround.federation.sealing import open_task, seal_reply

TROUBLES = [code for code, meaning in MEANINGS.items() if meaning.bearing is Bearing.TROUBLE]
Answer = Callable[[Envelope], Envelope]


def instead(bench: Bench, name: str, answer: Callable[[Envelope, Answer], Envelope]) -> None:
    """Have a site answer in another way; its own answer is passed on."""
    site = bench.sites[name]
    own = site.answer
    site.answer = lambda envelope: answer(envelope, own)  # type: ignore[method-assign]


def refusal(name: str, envelope: Envelope, code: RefusalCode) -> Envelope:
    """A refusal of a task."""
    ask = open_task(envelope, bench_key()).ask
    return seal_reply(Refused(site=name, ask=ask, code=code, correlation=CORRELATION), b"", seeded_keys(name).signing)


def bench_key() -> str:
    """The coordinator's public key."""
    from tests.aggregator.fakes import coordinator_key

    return coordinator_key().public


def troubled(bench: Bench, name: str, code: RefusalCode, until: float) -> None:
    """Have a site refuse everything with a code up to some time."""

    def answer(envelope: Envelope, own: Answer) -> Envelope:
        return refusal(name, envelope, code) if bench.clock.time < until else own(envelope)

    instead(bench, name, answer)


def preparing(bench: Bench, name: str, until: float) -> None:
    """Have a site prepare its cases up to some time."""

    def answer(envelope: Envelope, own: Answer) -> Envelope:
        if bench.clock.time >= until:
            return own(envelope)
        task = open_task(envelope, bench_key())
        said = Working(site=name, ask=task.ask, work_key=task.work_key, phase="preparing")
        return seal_reply(said, b"", seeded_keys(name).signing)

    instead(bench, name, answer)


def states(bench: Bench, site: str) -> list[str]:
    """The states of a site in the journal, in order, from when it was first heard."""
    found = [str(entry.facts["state"]) for entry in bench.journal("site_state") if entry.facts["site"] == site]
    return found[1:] if found[0] == "offline" else found


def first(bench: Bench) -> RoundResult:
    """The first round's result."""
    return bench.state.results()[0]


def absent(bench: Bench) -> list[tuple[str, str]]:
    """Whose replies the first round goes without, and how they stood."""
    return [(absence.site, absence.state) for absence in first(bench).absent]


def test_every_code_has_a_meaning_in_plain_words() -> None:
    assert set(MEANINGS) == set(RefusalCode)
    assert len({meaning.words for meaning in MEANINGS.values()}) == len(MEANINGS)


@pytest.mark.parametrize("code", TROUBLES)
def test_a_site_in_trouble_is_shown_with_its_reason_and_not_waited_for_for_ever(
    tmp_path: Path, code: RefusalCode
) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, patience=300.0)
    troubled(bench, "north", code, until=1e9)
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}})[:-1]
    assert absent(bench) == [("north", "trouble")]
    assert 300 < bench.clock.time < 1000
    assert states(bench, "north")[:2] == ["working", "trouble"]
    standing = site_standing("north", list(read_entries(bench.state.journal_path)), True)
    assert standing.state == "trouble"
    reason = first(bench).absent[0].reason
    assert standing.reason == reason
    assert MEANINGS[code].words in reason
    assert (code.value in reason, CORRELATION in reason) == (True, True)
    assert any(
        f"north (trouble: {MEANINGS[code].words}" in str(entry.facts["detail"]) for entry in bench.journal("waiting")
    )


@pytest.mark.parametrize("code", TROUBLES)
def test_a_site_whose_trouble_is_mended_takes_part(tmp_path: Path, code: RefusalCode) -> None:
    bench = Bench(tmp_path, rounds=2)
    troubled(bench, "north", code, until=200.0)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert states(bench, "north")[:4] == ["working", "trouble", "working", "done"]


def test_a_site_in_trouble_is_asked_ever_more_slowly(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)
    troubled(bench, "north", RefusalCode.DISK_FULL, until=1000.0)
    asked: list[float] = []
    instead(bench, "north", lambda envelope, own: (asked.append(bench.clock.time), own(envelope))[1])
    assert bench.run().complete
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert all(0 <= pause - wanted <= 2 for pause, wanted in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60], strict=False))


def test_without_the_quorum_a_run_waits_for_a_site_in_trouble_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1)
    troubled(bench, "north", RefusalCode.CASES_UNUSABLE, until=9000.0)
    assert bench.run().complete
    assert bench.clock.time > 9000
    assert any("its cases cannot be used" in str(entry.facts["detail"]) for entry in bench.journal("waiting"))


@pytest.mark.parametrize(("decline", "below"), [("stop", "wait"), ("continue", "stop")])
def test_trouble_that_lasts_stops_a_run_that_is_told_to_stop(tmp_path: Path, decline: str, below: str) -> None:
    bench = Bench(
        tmp_path,
        on_decline=decline,  # type: ignore[arg-type]
        below_quorum=below,  # type: ignore[arg-type]
        patience=300.0,
    )
    troubled(bench, "north", RefusalCode.WORKER_FAILED, until=1e9)
    outcome = bench.run()
    assert not outcome.complete
    assert "north" in outcome.line
    assert "its worker fails again and again" in outcome.line
    assert bench.clock.time > 300


def test_at_the_deadline_a_site_in_trouble_is_left_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, deadline=50.0)
    troubled(bench, "north", RefusalCode.OUT_OF_MEMORY, until=1e9)
    assert bench.run().complete
    assert absent(bench) == [("north", "trouble")]
    assert bench.clock.time < 200


def test_work_that_begins_well_and_fails_each_time_is_given_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, patience=600.0)
    count = [0]

    def answer(envelope: Envelope, own: Answer) -> Envelope:
        task = open_task(envelope, bench_key())
        if task.stage is Stage.HELLO:
            return own(envelope)
        count[0] += 1
        if count[0] % 5 == 0:
            return refusal("north", envelope, RefusalCode.INTERNAL)
        said = Working(site="north", ask=task.ask, work_key=task.work_key, phase="training", step=count[0] % 5, steps=5)
        return seal_reply(said, b"", seeded_keys("north").signing)

    instead(bench, "north", answer)
    assert bench.run().complete
    assert absent(bench) == [("north", "trouble")]


@pytest.mark.parametrize("fault", ["no answer", "forged", "no model"])
def test_a_site_that_is_there_and_never_gives_a_usable_answer_is_in_trouble(tmp_path: Path, fault: str) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, patience=300.0)
    if fault == "no answer":
        bench.link.weather = lambda site, now: Weather(reaches=site != "north")
    elif fault == "forged":
        bench.link.tamper = lambda site, envelope: (
            Envelope(envelope.body, bytes(64), envelope.payload) if site == "north" else envelope
        )
    else:
        site = bench.sites["north"]
        instead(bench, "north", lambda envelope, own: (site.models.clear(), _without_model(site, envelope, own))[1])
    assert bench.run().complete
    assert absent(bench) == [("north", "trouble")]


def _without_model(site: FakeSite, envelope: Envelope, own: Answer) -> Envelope:
    return own(Envelope(envelope.body, envelope.signature, b""))


# -- deadlines


def test_a_site_that_prepares_its_cases_is_not_late_and_the_run_is_not_stopped_for_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=2, deadline=50.0, below_quorum="stop")
    preparing(bench, "north", until=500.0)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert "late" not in states(bench, "north")


def test_while_all_prepare_their_cases_no_time_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, deadline=50.0, below_quorum="stop")
    for name in bench.names:
        preparing(bench, name, until=500.0)
    assert bench.run().complete
    assert absent(bench) == []


@pytest.mark.parametrize("deadline", [None, 50.0])
@pytest.mark.parametrize("everybody", [False, True])
def test_preparations_have_an_end(tmp_path: Path, deadline: float | None, everybody: bool) -> None:
    """Whether or not anybody is ready, and whether or not a round has a deadline."""
    bench = Bench(tmp_path, rounds=1, deadline=deadline, below_quorum="stop", preparing=1800.0)
    for name in bench.names if everybody else ("north",):
        preparing(bench, name, until=1e9)
    outcome = bench.run()
    assert not outcome.complete
    assert "north (working: preparing its cases, for which it has 30 min 00 s)" in outcome.line
    assert 1800 <= bench.clock.time < 1805
    said = [str(entry.facts["detail"]) for entry in bench.journal("waiting")]
    assert "preparing its cases, for which it has 30 min 00 s" in said[-1]
    assert len(said) < 8, "no line that changes with the time"


@pytest.mark.parametrize("shift", [0.0, 1000.0], ids=["", "the wall clock is set forward"])
def test_the_time_for_preparations_keeps_counting_over_restarts(tmp_path: Path, shift: float) -> None:
    bench = Bench(tmp_path, rounds=1, on_decline="stop", preparing=7200.0)
    preparing(bench, "north", until=1e9)
    for time in (100.0, 3000.0, 6000.0):
        interrupted_at(bench, time)
    bench.clock.hour += shift
    outcome = bench.run()
    assert outcome.line == ("stopped, because north is still preparing its cases, for which it has 2 h 00 min")
    assert 7200 - shift <= bench.clock.time < 7205 - shift


def test_a_site_that_is_ready_after_all_takes_part_and_may_prepare_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1, final=False, preparing=100.0)
    preparing(bench, "north", until=5000.0)
    assert bench.run().complete
    assert absent(bench) == []


def test_with_the_quorum_a_round_does_not_wait_for_preparations_without_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, deadline=50.0)
    preparing(bench, "north", until=1e9)
    assert bench.run().complete
    assert absent(bench) == [("north", "working")]
    assert "still prepares its cases" in first(bench).absent[0].reason
    assert bench.clock.time < 60


def test_a_site_that_comes_in_time_has_the_whole_deadline(tmp_path: Path) -> None:
    def weather(site: str, now: float) -> Weather:
        return Weather(seconds=8.0 if site == "south" else 0.5)

    bench = Bench(tmp_path, quorum=2, rounds=1, deadline=50.0, final=False, weather=weather)
    bench.link.away = lambda site, now: site == "south" and now < 40
    assert bench.run().complete
    assert absent(bench) == []
    assert 50 < bench.clock.time < 100
    assert "late" not in states(bench, "south")


def test_a_site_that_comes_when_others_are_overdue_is_not_late_from_the_start(tmp_path: Path) -> None:
    def weather(site: str, now: float) -> Weather:
        return Weather(seconds=8.0 if site == "south" else 0.5)

    bench = Bench(tmp_path, rounds=1, deadline=50.0, final=False, weather=weather)
    bench.link.away = lambda site, now: site == "south" and now < 400
    assert bench.run().complete
    seen = states(bench, "south")
    assert seen[-1] == "done"
    assert seen.count("late") <= seen.index("done")
    ready = next(entry for entry in bench.journal("site_ready") if entry.facts["site"] == "south")
    after = [
        entry.facts["state"]
        for entry in bench.journal("site_state")
        if entry.facts["site"] == "south" and entry.time > ready.time
    ]
    assert "late" not in after


@pytest.mark.parametrize(("grace", "left_out"), [(0.0, ["north"]), (40.0, [])])
def test_once_the_quorum_is_there_the_others_have_a_moment_of_grace(
    tmp_path: Path, grace: float, left_out: list[str]
) -> None:
    seconds = {"east": 1.0, "south": 30.0, "north": 38.0}
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, deadline=40.0, grace=grace)
    bench.link.weather = lambda site, now: Weather(seconds=seconds[site])
    assert bench.run().complete
    assert [site for site, _ in absent(bench)] == left_out


class InterruptedRunError(BaseException):
    """Somebody stopped the aggregator."""


def interrupted_at(bench: Bench, time: float) -> None:
    """Run up to some time; then the aggregator ends as by Ctrl-C."""
    weather = bench.link.weather

    def stop(site: str, now: float) -> Weather:
        if now >= time:
            raise InterruptedRunError
        return weather(site, now)

    bench.link.weather = stop
    with pytest.raises(InterruptedRunError):
        bench.run()
    bench.link.weather = weather


def slow_south(bench: Bench) -> None:
    """Have one site work without end, so that somebody is asked all the time."""

    def answer(envelope: Envelope, own: Answer) -> Envelope:
        task = open_task(envelope, bench_key())
        if task.stage is Stage.HELLO:
            return own(envelope)
        said = Working(site="south", ask=task.ask, work_key=task.work_key, phase="training", step=1, steps=5)
        return seal_reply(said, b"", seeded_keys("south").signing)

    instead(bench, "south", answer)


@pytest.mark.parametrize(
    ("shift", "end"),
    [(0.0, 50.5), (-3600.0, 90.5), (3600.0, 40.0)],
    ids=["", "the wall clock is set back", "the wall clock is set forward"],
)
def test_the_deadline_keeps_counting_over_a_restart(tmp_path: Path, shift: float, end: float) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, deadline=50.0)
    slow_south(bench)
    interrupted_at(bench, 30.0)
    bench.clock.time += 10.0
    bench.clock.hour += shift
    assert bench.run().complete
    assert [site for site, _ in absent(bench)] == ["south"]
    assert end <= bench.clock.time <= end + 2


def test_many_restarts_do_not_put_off_the_deadline(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, deadline=50.0)
    slow_south(bench)
    for time in (10.0, 20.0, 30.0, 40.0):
        interrupted_at(bench, time)
    assert bench.run().complete
    assert bench.clock.time < 55


def test_a_run_that_was_stopped_below_the_quorum_counts_anew_when_it_is_taken_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, deadline=50.0, below_quorum="stop", rounds=1, final=False)
    bench.link.away = lambda site, now: site == "north" and now < 90
    assert not bench.run().complete
    assert bench.run().complete
    assert absent(bench) == []


def test_a_site_with_finished_work_hands_it_over_after_the_aggregator_was_away_for_longer_than_the_deadline(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False, deadline=50.0, grace=20.0)
    bench.sites["south"].steps = 40
    interrupted_at(bench, 30.0)
    bench.sites["south"].steps = 1
    bench.clock.time += 5000.0
    assert bench.run().complete
    assert absent(bench) == []


def test_a_round_without_a_deadline_says_that_it_waits_all_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=1, rounds=1, away=lambda site, now: site == "north" and now < 500)
    assert bench.run().complete
    said = [str(entry.facts["detail"]) for entry in bench.journal("waiting")]
    assert any("the quorum is here" in line and "without a deadline" in line and "north" in line for line in said)


def test_a_full_journal_is_set_aside_and_read_with_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.federation.event_log.ROTATION", Rotation(limit=2000, kept=50))
    bench = Bench(tmp_path, rounds=2)
    assert bench.run().complete
    assert (tmp_path / "events.jsonl.1").exists()
    written = list(read_entries(bench.state.journal_path))
    assert [entry.event for entry in written] == [entry.event for entry in bench.said]

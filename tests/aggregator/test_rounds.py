"""Whole runs over fake time: who is waited for, what is folded, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import NAMES, Bench, expected_models, initial
from tests.aggregator.fakes import CORRELATION, FakeSite, Weather, seeded_keys, trained
from wardround.aggregator.rounds.records import RoundResult
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.basics.problems import InputError
from wardround.federation.envelope import Envelope
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import NO_ASK, RefusalCode, Refused, Stage
from wardround.federation.sealing import seal_reply


def last(bench: Bench) -> RoundResult:
    """The last committed round."""
    return bench.state.results()[-1]


def test_a_run_gives_the_weighted_means_and_ends_with_an_evaluation(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    outcome = bench.run()
    assert outcome.complete
    assert bench.models() == expected_models(bench)
    assert [result.stage for result in bench.state.results()] == [Stage.TRAIN] * 3 + [Stage.EVALUATE]
    assert [site.trainings for site in bench.sites.values()] == [3, 3, 3]


def test_without_a_final_evaluation_the_last_round_trains(tmp_path: Path) -> None:
    bench = Bench(tmp_path, final=False)
    assert bench.run().complete
    assert last(bench).stage is Stage.TRAIN


def test_one_site_gives_its_own_weights_bit_for_bit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north",))
    assert bench.run().complete
    model = initial()
    for number in (1, 2, 3):
        model = trained(model, "north", number)
    assert last(bench).model == payload_digest(pack(model))


def test_each_model_is_sent_once_and_the_next_task_names_what_was_accepted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    for name, site in bench.sites.items():
        assert site.payloads == 4
        keys = [
            next(found.work_key for found in result.sites if found.site == name) for result in bench.state.results()
        ]
        accepted = {task.round: task.accepted for task in site.tasks if task.stage is not Stage.HELLO}
        assert [accepted[number] for number in (1, 2, 3, 4)] == [None, *keys[:3]]


def test_a_site_is_greeted_once_and_told_the_plan(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    for site in bench.sites.values():
        hellos = [task for task in site.tasks if task.stage is Stage.HELLO]
        assert [task.offer for task in hellos] == [bench.plan]


def test_all_sites_are_awaited_without_a_deadline(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=1, away=lambda site, now: site == "north" and now < 5000)
    bench.run()
    assert bench.models() == expected_models(bench)
    assert bench.clock.time > 5000
    assert "north (offline)" in str(bench.journal("waiting")[0].facts["detail"])


def test_the_quorum_goes_on_at_the_deadline_and_the_late_site_comes_back(tmp_path: Path) -> None:
    def slow(site: str, now: float) -> Weather:
        return Weather(seconds=100.0 if site == "south" and now < 50 else 0.5)

    bench = Bench(tmp_path, quorum=2, deadline=50.0, weather=slow)
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"south"}})
    first = bench.state.results()[0]
    assert [(absence.site, absence.state) for absence in first.absent] == [("south", "late")]
    assert any(entry.facts["state"] == "late" for entry in bench.journal("site_state"))
    # What it did for the first round was not folded, so no later task calls it accepted.
    keys = {task.accepted for task in bench.sites["south"].tasks if task.round == 2}
    assert keys == {None}


def test_below_the_quorum_at_the_deadline_a_run_waits_if_it_is_told_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=3, deadline=50.0, away=lambda site, now: site == "north" and now < 500)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert any("north (offline) (2 of 3" in str(entry.facts["detail"]) for entry in bench.journal("waiting"))


def test_below_the_quorum_at_the_deadline_a_run_stops_if_it_is_told_to_and_can_be_resumed(tmp_path: Path) -> None:
    gone = [True]
    bench = Bench(
        tmp_path,
        deadline=50.0,
        below_quorum="stop",
        away=lambda site, now: gone[0] and site == "north",
    )
    outcome = bench.run()
    assert not outcome.complete
    assert "lacking north (offline)" in outcome.line
    gone[0] = False
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


@pytest.mark.parametrize("code", [RefusalCode.POLICY, RefusalCode.REPLY_BLOCKED, RefusalCode.TRAINING_DIVERGED])
def test_a_site_that_declines_is_named_and_the_others_go_on(tmp_path: Path, code: RefusalCode) -> None:
    bench = Bench(tmp_path, quorum=2)
    bench.sites["north"].refusals = [code]
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}})
    declined = bench.state.results()[0].absent[0]
    assert declined.site == "north"
    assert code.value in declined.reason


def test_a_refusal_stops_the_run_if_it_is_told_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=1, on_decline="stop")
    bench.sites["north"].refusals = [RefusalCode.POLICY]
    outcome = bench.run()
    assert not outcome.complete
    assert "north declined: its policy forbids it (policy" in outcome.line


def test_when_a_refusal_puts_the_quorum_out_of_reach_the_site_is_asked_again_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sites["north"].refusals = [RefusalCode.POLICY, RefusalCode.POLICY]
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert 90 <= bench.state.results()[0].seconds < 120


def test_when_a_refusal_puts_the_quorum_out_of_reach_the_run_stops_if_it_is_told_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, below_quorum="stop")
    bench.sites["north"].refusals = [RefusalCode.POLICY]
    outcome = bench.run()
    assert not outcome.complete
    assert "north (declined: its policy" in outcome.line


@pytest.mark.parametrize(("times", "absent"), [(1, {}), (2, {}), (3, {1: {"north"}})])
def test_a_task_that_cannot_be_opened_is_sent_again_before_it_counts_as_a_refusal(
    tmp_path: Path, times: int, absent: dict[int, set[str]]
) -> None:
    bench = Bench(tmp_path, quorum=2)
    left = [times]

    def unopened(site: str, envelope: Envelope) -> Envelope:
        if site != "north" or not left[0]:
            return envelope
        left[0] -= 1
        refused = Refused(site=site, ask=NO_ASK, code=RefusalCode.BAD_SIGNATURE, correlation=CORRELATION)
        return seal_reply(refused, b"", seeded_keys(site).signing)

    bench.link.tamper = unopened
    assert bench.run().complete
    assert bench.models() == expected_models(bench, absent)


@pytest.mark.parametrize("code", [RefusalCode.DISK_FULL, RefusalCode.INTERNAL, RefusalCode.BAD_MODEL])
def test_a_fault_that_may_pass_is_asked_about_again_and_again_more_slowly(tmp_path: Path, code: RefusalCode) -> None:
    bench = Bench(tmp_path)
    bench.sites["north"].refusals = [code] * 5
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    delays = [entry.facts["retry_in"] for entry in bench.journal("site_trouble")]
    assert delays == [1.0]
    assert bench.state.results()[0].seconds > 1 + 2 + 4 + 8 + 16


def test_a_cohort_that_changed_is_new_work(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    site = bench.sites["north"]
    answer = site.answer

    def change_cohort(envelope: Envelope) -> Envelope:
        if site.trainings == 1 and site.cohort == sha256_hex(b"cohort"):
            site.cohort, site.cases = sha256_hex(b"another"), 99
            site.refusals = [RefusalCode.COHORT_CHANGED]
        return answer(envelope)

    site.answer = change_cohort  # type: ignore[method-assign]
    assert bench.run().complete
    weights = [
        next(found.train_cases for found in result.sites if found.site == "north") for result in bench.state.results()
    ]
    assert weights == [17, 99, 99, 0]


def _replace(name: str, value: np.ndarray, only: int) -> object:
    return lambda arrays, number: {**arrays, name: value} if number == only else arrays


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model/bias", np.full(4, np.nan, np.float32), "not_finite: model/bias"),
        ("model/bias", np.zeros(5, np.float32), "shape: model/bias"),
        ("model/bias", np.zeros(4, np.float16), "dtype: model/bias"),
        ("model/other", np.zeros(4, np.float32), "names: 1 tensors are unknown"),
    ],
)
def test_a_bad_update_is_refused_by_name_and_the_run_goes_on(
    tmp_path: Path, name: str, value: np.ndarray, said: str
) -> None:
    bench = Bench(tmp_path, quorum=2)
    bench.sites["north"].spoil = _replace(name, value, only=2)  # type: ignore[assignment]
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {2: {"north"}})
    refused = bench.journal("update_refused")
    assert [entry.facts["site"] for entry in refused] == ["north"]
    assert said in str(refused[0].facts["detail"])


def test_a_site_cannot_claim_more_cases_than_it_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2)
    site = bench.sites["north"]
    train = site._train

    def inflated(task: object, key: str) -> Envelope:
        site.cases *= 1000
        try:
            return train(task, key)  # type: ignore[arg-type]
        finally:
            site.cases //= 1000

    site._train = inflated  # type: ignore[method-assign, assignment]
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}, 2: {"north"}, 3: {"north"}})
    assert "17000 training cases, not the 17" in str(bench.journal("update_refused")[0].facts["detail"])


def test_a_replayed_reply_of_another_round_is_refused_and_the_true_one_awaited(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    held: list[Envelope] = []

    def replay(site: str, envelope: Envelope) -> Envelope:
        if site != "north" or b'"type":"done"' not in envelope.body:
            return envelope
        held.append(envelope)
        return held[0] if len(held) in (2, 3) else envelope

    bench.link.tamper = replay
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert ["another round" in str(entry.facts["detail"]) for entry in bench.journal("answer_refused")] == [True, True]


@pytest.mark.parametrize("part", ["body", "signature", "payload"])
def test_an_answer_that_was_changed_on_the_way_is_not_held_against_the_site(tmp_path: Path, part: str) -> None:
    bench = Bench(tmp_path)
    spoiled: list[str] = []

    def tamper(site: str, envelope: Envelope) -> Envelope:
        if site != "north" or not envelope.payload or spoiled:
            return envelope
        spoiled.append(part)
        parts = {"body": envelope.body, "signature": envelope.signature, "payload": envelope.payload}
        parts[part] = parts[part][:-1] + bytes([parts[part][-1] ^ 1])
        return Envelope(**parts)

    bench.link.tamper = tamper
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert [entry.facts["site"] for entry in bench.journal("answer_refused")] == ["north"]


def test_another_sites_answer_does_not_pass_for_a_sites_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    of_south: list[Envelope] = []
    swapped: list[str] = []

    def swap(site: str, envelope: Envelope) -> Envelope:
        if site == "south" and envelope.payload:
            of_south.append(envelope)
        if site == "north" and envelope.payload and of_south and not swapped:
            swapped.append(site)
            return of_south[0]
        return envelope

    bench.link.tamper = swap
    bench.sites["north"].steps = 4
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert [entry.facts["site"] for entry in bench.journal("answer_refused")] == ["north"]


def test_lost_questions_and_answers_cost_time_only(tmp_path: Path) -> None:
    def lossy(site: str, now: float) -> Weather:
        return Weather(seconds=3.0, arrives=int(now) % 3 != 0, reaches=int(now) % 4 != 0)

    bench = Bench(tmp_path, weather=lossy)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert [site.trainings for site in bench.sites.values()] == [3, 3, 3]


def test_a_site_that_lost_the_model_gets_it_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    site = bench.sites["north"]
    site.steps = 3
    answer = site.answer
    lost: list[bool] = []

    def forgetful(envelope: Envelope) -> Envelope:
        if site.progress and not lost:
            lost.append(True)
            site.models.clear()
        return answer(envelope)

    site.answer = forgetful  # type: ignore[method-assign]
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert site.payloads == 5


def test_a_site_with_another_plan_declines(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2)
    bench.sites["north"] = FakeSite("north", "0" * 64)
    bench.link.sites = bench.sites
    assert bench.run().complete
    assert "another plan" in bench.state.results()[0].absent[0].reason


def test_a_changed_plan_is_refused_with_what_changed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    with pytest.raises(InputError, match=r"rounds 3 -> 5"):
        Bench(tmp_path, rounds=5).run()
    with pytest.raises(InputError, match=r"west was added"):
        Bench(tmp_path, names=(*NAMES, "west")).run()


def test_two_aggregators_cannot_have_one_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.state.locked(), pytest.raises(InputError, match="another aggregator"), bench.state.locked():
        pass


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    asked = {name: len(site.tasks) for name, site in bench.sites.items()}
    assert bench.run().complete
    assert {name: len(site.tasks) for name, site in bench.sites.items()} == asked


def test_old_models_and_folded_updates_are_let_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=6)
    bench.run()
    assert len(list((tmp_path / "models").glob("*.safetensors"))) <= 5
    assert not list(tmp_path.glob("rounds/*/inbox/*/reply/update.safetensors"))
    assert len(list(tmp_path.glob("rounds/*/inbox/*/reply/signature"))) == 7 * 3

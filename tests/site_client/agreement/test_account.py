"""What was accepted bounds what is done, however tasks are signed, and whatever is killed or damaged in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.site_client.asking import ask, ready, refusal, until
from tests.site_client.support import (
    LOCAL_STEPS,
    ROUNDS,
    FakeEngine,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.basics.files import DamagedError
from wardround.engine.preprocessing.fitted import FittedState, Scale
from wardround.federation.protocol import Continuation, Done, Horizon, Missing, Plan, RefusalCode, Stage, Task, work_key
from wardround.site_client.agreement.account import Account
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.agreement.chained import ChainedLog
from wardround.site_client.events import Event, Role

ALLOWANCE = 3
COHORT = FakeEngine().cohort.digest


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def a_plan(rounds: int = 4, done: int = 0) -> Plan:
    """A plan of so many rounds, after those that it carries on."""
    return Plan(
        federation="trial",
        study="1" * 64,
        horizon=Horizon(rounds=done + rounds, local_steps=7),
        strategy="fedavg",
        roster="2" * 64,
        after=Continuation(plan="3" * 64, rounds=done, model="4" * 64) if done else None,
    )


def a_task(plan: Plan, stage: Stage, number: int, base: int, accepted: str | None = None) -> Task:
    digest = sha256_hex(str(base).encode())
    key = work_key(plan.digest, stage, number, digest, COHORT)
    return Task(
        site="north",
        plan=plan.digest,
        stage=stage,
        round=number,
        base=digest,
        work_key=key,
        accepted=accepted,
        ask="0" * 32,
    )


def fitted_to(spread: float) -> FittedState:
    """What preprocessing may have learned: a mean and a spread."""
    return FittedState(cases=9, truth=(Scale(mean=1.0, deviation=spread),))


def test_other_fitted_values_use_the_allowance_each_time_they_change(tmp_path: Path) -> None:
    """Whoever has the coordinator's key cannot look at the cases through one lens after another."""
    plan = a_plan(rounds=9)
    account, spreads = Account(tmp_path, plan), (1.0, 1.0, 2.0, 2.0, 1.0, 3.0)
    for number, spread in enumerate(spreads, start=1):
        task = a_task(plan, Stage.TRAIN, number, number).model_copy(update={"fitted": fitted_to(spread)})
        account.take(task, ALLOWANCE)
        account.release(task, sha256_hex(str(number).encode()), ALLOWANCE)
    assert account.tally().extra == 3
    assert Account(tmp_path, plan).tally() == account.tally(), "it is read as it was written"
    for spread, is_refused in ((3.0, False), (1.0, True), (2.0, True)):
        task = a_task(plan, Stage.TRAIN, 7, 7).model_copy(update={"fitted": fitted_to(spread)})
        if is_refused:
            with pytest.raises(Refusal, match="other fitted values"):
                account.check(task, ALLOWANCE)
        else:
            account.check(task, ALLOWANCE)
    missing = a_task(plan, Stage.TRAIN, 7, 7)
    with pytest.raises(Refusal, match="other fitted values"):
        account.check(missing, ALLOWANCE)


def test_one_model_with_other_fitted_values_is_another_for_the_test_cases(tmp_path: Path) -> None:
    plan = a_plan(rounds=1)
    account = Account(tmp_path, plan)
    account.take(a_task(plan, Stage.TRAIN, 1, 1).model_copy(update={"fitted": fitted_to(1.0)}), ALLOWANCE)
    final = a_task(plan, Stage.EVALUATE, 2, 2)
    first, other = (final.model_copy(update={"fitted": fitted_to(spread)}) for spread in (1.0, 2.0))
    account.take(first, ALLOWANCE)
    account.check(first, ALLOWANCE)
    with pytest.raises(Refusal) as caught:
        account.check(other, ALLOWANCE)
    assert caught.value.code is RefusalCode.TEST_ALREADY_SCORED


def test_ends_without_end_do_not_grow_the_account(tmp_path: Path) -> None:
    plan = a_plan()
    account = Account(tmp_path, plan)
    ends = [a_task(plan, Stage.CONCLUDE, number % 2 + 1, 1) for number in range(300)]
    news = [account.conclude(task) for task in ends]
    assert 100 <= sum(news) <= 110
    assert news[:4] == [True] * 4
    assert not any(news[-100:])


# -- at the courier, as a stranger with the coordinator's key would try it


def test_only_one_model_a_round_and_the_allowance_are_trained(site: Site) -> None:
    """Six signed tasks for round 1 with six different models."""
    engine = FakeEngine()
    codes = []
    with working_site(site, engine) as courier:
        ready(site, courier)
        for number in range(6):
            base = base_model(number)
            task = site.task(Stage.TRAIN, 1, base, COHORT)
            if number <= ALLOWANCE:
                assert isinstance(until(site, courier, task, base, Done), Done)
            else:
                codes.append(refusal(site, courier, site.sealed(task, base)))
    assert codes == [RefusalCode.BEYOND_AGREEMENT] * 2
    assert sum(call.startswith("train") for call in engine.calls) == 1 + ALLOWANCE
    assert "allowance" in site.log_text(Role.COURIER), "the staff reads what they can do"


def test_the_allowance_is_the_sites_to_give(site: Site) -> None:
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace("allowance: 3", "allowance: 0"))
    bases = [base_model(value) for value in (1, 2)]
    tasks = [site.task(Stage.TRAIN, 1, base, COHORT) for base in bases]
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        until(site, courier, tasks[0], bases[0], Done)
        assert refusal(site, courier, site.sealed(tasks[1])) is RefusalCode.BEYOND_AGREEMENT, "before a model is sent"
        assert refusal(site, courier, site.sealed(tasks[1], bases[1])) is RefusalCode.BEYOND_AGREEMENT
        policy.write_text(policy.read_text().replace("allowance: 0", "allowance: 1"))
        until(site, courier, tasks[1], bases[1], Done)


def test_test_cases_are_scored_for_one_model_and_answered_alike_for_ever(site: Site) -> None:
    engine, base, other = FakeEngine(), base_model(1), base_model(2)
    with working_site(site, engine) as courier:
        ready(site, courier)
        early = site.task(Stage.EVALUATE, ROUNDS + 1, base, COHORT)
        assert refusal(site, courier, site.sealed(early, base)) is RefusalCode.TEST_TOO_EARLY
        trained = site.task(Stage.TRAIN, ROUNDS, base, COHORT)
        until(site, courier, trained, base, Done)
        final = site.task(Stage.EVALUATE, ROUNDS + 1, base, COHORT, accepted=trained.work_key)
        until(site, courier, final, base, Done)
        first = courier.handle(site.sealed(final))
        again = site.task(Stage.EVALUATE, ROUNDS + 1, other, COHORT, accepted=trained.work_key)
        for payload in (b"", other):
            assert refusal(site, courier, site.sealed(again, payload)) is RefusalCode.TEST_ALREADY_SCORED
        assert courier.handle(site.sealed(final)) == first
    assert courier_of(site).handle(site.sealed(final)) == first
    assert engine.calls.count("evaluate test") == 1


def test_a_site_that_was_away_skips_rounds_and_goes_on(site: Site) -> None:
    base = base_model()
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        for number in (2, 3):
            until(site, courier, site.task(Stage.TRAIN, number, base, COHORT), base, Done)


def test_an_aggregator_that_was_set_back_may_do_rounds_again(site: Site) -> None:
    engine, bases = FakeEngine(), [base_model(value) for value in range(5)]
    with working_site(site, engine) as courier:
        ready(site, courier)
        accepted = None
        for number, base in ((1, bases[0]), (2, bases[1]), (3, bases[2]), (2, bases[1]), (3, bases[3])):
            task = site.task(Stage.TRAIN, number, base, COHORT, accepted=accepted)
            until(site, courier, task, base, Done)
            accepted = task.work_key


def test_a_killed_courier_counts_work_neither_twice_nor_never(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier ends right after the account was written, then right before the outbox is."""
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, COHORT)

    def killed(*_: object) -> None:
        raise RuntimeError("killed")

    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        with monkeypatch.context() as patch:
            patch.setattr("wardround.site_client.between.folders.Tasks.put", killed)
            assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.INTERNAL
        courier = courier_of(site)
        assert isinstance(ask(site, courier, task)[0], Missing)
        with monkeypatch.context() as patch:
            patch.setattr("wardround.site_client.between.folders.Outbox.put", killed)
            assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.INTERNAL
        courier = courier_of(site)
        assert isinstance(until(site, courier, task, b"", Done), Done)
    tally = Account(site.settings.work / "account", site.agreement.plan).tally()
    assert (tally.works, tally.extra, tally.steps, len(tally.updates)) == (1, 0, LOCAL_STEPS, 1)


def test_a_lost_account_of_a_site_that_took_part_does_not_stop_the_last_round(site: Site) -> None:
    base = base_model()
    final = site.task(Stage.EVALUATE, ROUNDS + 1, base, COHORT, accepted="a" * 64)
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        assert isinstance(until(site, courier, final, base, Done), Done)


# -- the account itself

orders = st.lists(
    st.tuples(st.sampled_from([Stage.TRAIN, Stage.EVALUATE]), st.integers(1, 5), st.integers(0, 3), st.booleans()),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(orders=orders, allowance=st.integers(0, 4), done=st.sampled_from([0, 1, 10]), early=st.booleans())
def test_no_order_of_tasks_gets_more_than_was_agreed_to(
    tmp_path_factory: pytest.TempPathFactory,
    orders: list[tuple[Stage, int, int, bool]],
    allowance: int,
    done: int,
    early: bool,
) -> None:
    """Nor of a training that is carried on, whether the tasks are of its rounds or of those that were done before."""
    plan, folder = a_plan(rounds=4, done=done), tmp_path_factory.mktemp("account")
    begun: list[Task] = []
    updates: set[tuple[str | None, int]] = set()
    tested: set[str | None] = set()
    refused: set[RefusalCode] = set()
    for turn, (stage, number, base, is_answered) in enumerate(orders):
        if stage is Stage.TRAIN and number > 4:
            continue
        number += 0 if early and stage is Stage.TRAIN else done
        account, task = Account(folder, plan), a_task(plan, stage, number, base)
        before = account.tally().works
        try:
            account.take(task, allowance)
            if is_answered:
                account.release(task, sha256_hex(str(turn).encode()) if stage is Stage.TRAIN else None, allowance)
                updates |= {(task.work_key, turn)} if stage is Stage.TRAIN else set()
                tested |= {task.base} if number == done + 5 else set()
        except Refusal as error:
            refused.add(error.code)
        begun += [task] if Account(folder, plan).tally().works > before else []
    trained = [task for task in begun if task.stage is Stage.TRAIN]
    assert len(begun) <= 5 + allowance
    assert len(trained) <= 4 + allowance
    assert len(updates) <= 4 + allowance
    assert len(tested) <= 1
    assert refused <= {RefusalCode.BEYOND_AGREEMENT, RefusalCode.TEST_ALREADY_SCORED, RefusalCode.TEST_TOO_EARLY}
    assert Account(folder, plan).tally().steps == 7 * len(trained) <= 7 * (4 + allowance)


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 10**6), value=st.integers(0, 255), of_copy=st.booleans())
def test_a_damaged_account_is_made_again_from_its_copy(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, of_copy: bool
) -> None:
    plan, folder = a_plan(), tmp_path_factory.mktemp("account")
    account = Account(folder, plan)
    for number in (1, 2, 3):
        task = a_task(plan, Stage.TRAIN, number, number)
        account.take(task, 0)
        account.release(task, sha256_hex(str(number).encode()), 0)
    expected, files = account.tally(), sorted(folder.iterdir())
    sound = files[0].read_bytes()
    assert files[1].read_bytes() == sound
    damaged = bytearray(sound)
    damaged[position % len(damaged)] = value
    files[of_copy].write_bytes(damaged)
    mended: list[Path] = []
    assert Account(folder, plan, mended.append).tally() == expected
    assert [file.read_bytes() for file in files] == [sound, sound]
    assert mended == ([files[of_copy]] if bytes(damaged) != sound else [])


def test_an_account_that_cannot_be_read_is_named_with_the_way_out(tmp_path: Path) -> None:
    plan = a_plan()
    account = Account(tmp_path, plan)
    for number in (1, 2):
        account.take(a_task(plan, Stage.TRAIN, number, number), 0)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"train", b"brain", 1))
    with pytest.raises(Refusal) as caught:
        Account(tmp_path, plan).check(a_task(plan, Stage.TRAIN, 3, 3), 0)
    assert caught.value.code is RefusalCode.ACCOUNT_DAMAGED
    assert str(tmp_path) in caught.value.reason
    assert "backup" in caught.value.reason


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_a_crash_cut_off_was_never_written(tmp_path: Path, cut: int) -> None:
    log = ChainedLog(tmp_path / "log.jsonl")
    log.read()
    log.append({"number": 1})
    log.append({"number": 2})
    for name in ("log.jsonl", "log.copy.jsonl"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-cut])
    entries, _ = ChainedLog(log.path).read()
    assert entries == ({"number": 1},)
    again = ChainedLog(log.path)
    again.read()
    again.append({"number": 3})
    assert ChainedLog(log.path).read() == (({"number": 1}, {"number": 3}), ())


def test_lines_that_were_taken_out_are_noticed(tmp_path: Path) -> None:
    log = ChainedLog(tmp_path / "log.jsonl")
    log.read()
    for number in range(4):
        log.append(number)
    for name in ("log.jsonl", "log.copy.jsonl"):
        lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
        (tmp_path / name).write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(DamagedError):
        ChainedLog(log.path).read()


def test_work_that_was_at_hand_while_rounds_before_it_were_undone_is_counted_once(tmp_path: Path) -> None:
    """Rounds 2 and 3 are done again, and the fourth, which was begun before, is finished."""
    plan, account = a_plan(), Account(tmp_path, a_plan())
    tasks = [a_task(plan, Stage.TRAIN, number, number) for number in (1, 2, 3, 4)]
    for task in (*tasks[:3], *tasks[1:3]):
        account.take(task, ALLOWANCE)
        account.release(task, sha256_hex(f"{task.round}".encode()), ALLOWANCE)
        if task is tasks[2] and account.tally().extra == 0:
            account.take(tasks[3], ALLOWANCE)
    account.release(tasks[3], sha256_hex(b"4"), ALLOWANCE)
    assert account.tally().extra == Account(tmp_path, plan).tally().extra == 2


def test_a_plan_that_carries_on_agrees_to_the_updates_of_its_own_rounds(tmp_path: Path) -> None:
    """Also where a device does not compute the same twice: each other update to the same work counts."""
    plan = a_plan(rounds=4).model_copy(update={"after": Continuation(plan="3" * 64, rounds=3, model="4" * 64)})
    account, task = Account(tmp_path, plan), a_task(plan, Stage.TRAIN, 4, 4)
    account.take(task, 1)
    for number in range(2):
        account.release(task, sha256_hex(str(number).encode()), 1)
    with pytest.raises(Refusal, match="2 updates were released"):
        account.release(task, sha256_hex(b"a third"), 1)


def test_an_account_that_has_gone_is_told(site: Site) -> None:
    base = base_model(1)
    with working_site(site, FakeEngine()) as courier:
        courier.sweep()
        until(site, courier, site.task(Stage.TRAIN, 1, base, COHORT), base, Done)
    courier_of(site).sweep()
    assert Event.ACCOUNT_LOST not in site.events(Role.COURIER)
    for file in (site.settings.work / "account").iterdir():
        file.unlink()
    courier_of(site).sweep()
    assert site.events(Role.COURIER).count(Event.ACCOUNT_LOST) == 1

"""A site and its plan's strategy: refused where it is not installed, and nothing else passes than what it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.asking import ask, ready, refusal, until
from tests.site_client.support import FakeEngine, Site, a_study, base_model, build_site, courier_of, working_site
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import run
from wardround.engine.parts import Bounds
from wardround.federation.payload import pack, payload_digest, unpack
from wardround.federation.protocol import Done, RefusalCode, Stage, Task
from wardround.federation.strategies.scaffold import Scaffold
from wardround.federation.strategies.sharing import WEIGHTS, Number, Sharing
from wardround.site_client.agreement.agreement import Refusal, check_strategy
from wardround.site_client.agreement.settings import Policy
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.cli import app
from wardround.site_client.courier.guard import ReplyGuard
from wardround.site_client.events import Role

CONTROL = {"control/weight": np.full((3, 2), 0.25, np.float32)}
BASE = pack(unpack(base_model()) | CONTROL)
UPDATE: Mapping[str, np.ndarray] = {
    "model/weight": np.zeros((3, 2), np.float32),
    "model/count": np.array(8, np.int64),
    **CONTROL,
}
WRONG: Mapping[str, Mapping[str, np.ndarray]] = {
    "nothing beside the weights": {name: array for name, array in UPDATE.items() if name not in CONTROL},
    "a group that is not declared": {**UPDATE, "images/one": np.zeros((64, 64), np.float32)},
    "a group of what is not learned": {**UPDATE, "control/count": np.zeros((), np.float32)},
    "numbers without end": {**UPDATE, "control/weight": np.full((3, 2), np.inf, np.float32)},
    "another type": {**UPDATE, "control/weight": np.zeros((3, 2), np.int64)},
    "another shape": {**UPDATE, "control/weight": np.zeros((2, 3), np.float32)},
}
DRIFT = Sharing(numbers=(Number("drift", "how far it went", Bounds(0, 10)),))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site", strategy="scaffold")


def _guard(sharing: Sharing) -> ReplyGuard:
    return ReplyGuard(a_study(), Policy.model_validate({"schema": 1}), "north", sharing=sharing)


def _task(stage: Stage = Stage.TRAIN) -> Task:
    digest = payload_digest(BASE)
    return Task(site="north", plan="a" * 64, stage=stage, round=1, base=digest, work_key="b" * 64, ask="c" * 32)


def _result(update: bytes | None, numbers: dict[str, float] | None = None) -> WorkResult:
    digest = None if update is None else payload_digest(update)
    return WorkResult(update=digest, train_cases=9, loss=0.5, metrics={}, seconds=1, numbers=numbers or {})


def test_the_guard_lets_out_what_the_strategy_declares() -> None:
    update = pack(UPDATE)
    outgoing = _guard(Scaffold.sharing).release(_task(), _result(update), update, BASE)
    assert outgoing.reply.update == payload_digest(update)
    assert outgoing.reply.numbers == {}


@pytest.mark.parametrize("arrays", WRONG.values(), ids=WRONG)
def test_the_guard_keeps_all_other_tensors_here(arrays: Mapping[str, np.ndarray]) -> None:
    update = pack(arrays)
    with pytest.raises(Refusal) as caught:
        _guard(Scaffold.sharing).release(_task(), _result(update), update, BASE)
    assert caught.value.code is RefusalCode.REPLY_BLOCKED


def test_a_strategys_tensors_do_not_leave_under_another_plan() -> None:
    update = pack(UPDATE)
    with pytest.raises(Refusal, match="unknown"):
        _guard(Sharing()).release(_task(), _result(update), update, base_model())


def test_the_guard_lets_out_declared_numbers_within_their_bounds_with_an_update_alone() -> None:
    update = pack(unpack(base_model()))
    guard = _guard(DRIFT)
    assert guard.release(_task(), _result(update, {"drift": 2.5}), update, BASE).reply.numbers == {"drift": 2.5}
    for numbers in ({}, {"drift": 11.0}, {"drift": 1.0, "case_007": 1.0}):
        with pytest.raises(Refusal) as caught:
            guard.release(_task(), _result(update, numbers), update, BASE)
        assert caught.value.code is RefusalCode.REPLY_BLOCKED
    with pytest.raises(Refusal, match="without an update"):
        guard.release(_task(Stage.EVALUATE), _result(None, {"drift": 2.5}), b"", BASE)


def test_a_round_brings_what_is_shared_and_takes_what_is_shared(site: Site) -> None:
    engine = FakeEngine(shared=CONTROL)
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, BASE, ready(site, courier).cohort)
        done = until(site, courier, task, BASE, Done)
        _, payload = ask(site, courier, task)
    assert isinstance(done, Done)
    assert {name: array.tolist() for name, array in engine.came.items()} == {"control/weight": [[0.25] * 2] * 3}
    assert set(unpack(payload)) == set(UPDATE)


@pytest.mark.parametrize("brought", [base_model(), pack({**unpack(BASE), "images/one": np.zeros(4, np.float32)})])
def test_the_worker_takes_no_other_groups_than_the_strategy_sends_down(site: Site, brought: bytes) -> None:
    engine = FakeEngine(shared=CONTROL)
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, brought, ready(site, courier).cohort)
        code = RefusalCode.OTHER
        for _ in range(30):
            reply, _ = ask(site, courier, task, brought)
            code = getattr(reply, "code", code)
            if code is not RefusalCode.OTHER:
                break
    assert code is RefusalCode.BAD_MODEL
    assert not any(call.startswith("train") for call in engine.calls)


def test_the_worker_hands_over_nothing_that_the_strategy_does_not_declare(site: Site) -> None:
    engine = FakeEngine(shared={**CONTROL, "images/one": np.zeros(4, np.float32)})
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, BASE, ready(site, courier).cohort)
        for _ in range(30):
            reply, payload = ask(site, courier, task, BASE)
            if getattr(reply, "code", None) is RefusalCode.REPLY_BLOCKED:
                break
    assert getattr(reply, "code", None) is RefusalCode.REPLY_BLOCKED
    assert payload == b""
    assert not list((site.settings.work / "results").glob("*/update*"))


@pytest.mark.parametrize("stated", ["fedproxy", 'fedprox {"mu":0.1,"nu":1}', "fedprox"])
def test_a_site_without_the_plans_strategy_says_so_at_the_hello(tmp_path: Path, stated: str) -> None:
    site = build_site(tmp_path / "site", strategy=stated)
    assert refusal(site, courier_of(site), site.sealed(site.hello())) is RefusalCode.STRATEGY_UNUSABLE
    assert "strategy" in site.log_text(Role.COURIER)


def test_scaffold_is_not_begun_with_a_study_that_it_does_not_fit(site: Site) -> None:
    with pytest.raises(InputError, match="sgd without momentum"):
        check_strategy(site.agreement)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("fedproxy", "unknown strategy 'fedproxy'"),
        ('fedprox {"mu":-1}', "number from 0"),
        ("scaffold", "sgd without momentum"),
    ],
)
def test_such_an_invitation_is_not_accepted_and_the_check_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stated: str, said: str
) -> None:
    site = build_site(tmp_path / "site", strategy=stated)
    for command in (["accept", str(site.folder / "invitation.json"), "--yes"], ["check"]):
        assert run(app, [*command, "--config", str(site.config)]) == 2
        told = capsys.readouterr()
        assert said in " ".join((told.out + told.err).split())


def test_what_is_accepted_says_what_the_strategy_is_and_what_it_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = build_site(tmp_path / "site", strategy='fedprox {"mu":0.1}')
    run(app, ["accept", str(site.folder / "invitation.json"), "--yes", "--config", str(site.config)])
    told = " ".join(capsys.readouterr().out.split())
    assert "combined by fedprox (mu 0.1)" in told
    assert "Strategy FedProx (Li et al. 2020)" in told
    assert "Arrives model weights before each round" in told
    assert "Leaves model weights after each round" in told


def test_words_of_scaffold_name_its_control_variates(site: Site) -> None:
    from wardround.site_client.setup.shared import sent_down, sent_up, strategy_lines

    agreement = site.agreement
    assert sent_down(agreement) == ("model weights", "the control variate: the mean gradient of all sites")
    assert sent_up(agreement)[1] == "this site's control variate: its mean gradient"
    assert replace(agreement).strategy.sharing.down[0] == WEIGHTS
    assert len(strategy_lines(agreement)) == 2

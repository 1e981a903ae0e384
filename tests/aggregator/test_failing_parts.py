"""A package that fails at the aggregator: strategies and parts are tried before a run, and named when they fail."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from tests.aggregator.home import aggregator, make_home, rewrite
from tests.support.failing_parts import PACKAGE, UNKEEPABLE, How
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.federation.payload import pack, unpack
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.protocol import Contribution, Incoming, Sites
from wardround.federation.strategies.trial import try_strategy

pytestmark = pytest.mark.usefixtures("package")
NAMED = rf"the strategy 'bad_strategy', of the package {re.escape(PACKAGE)}"
FAILURES = [
    ("constructor", "ValueError: trouble of the author's own"),
    ("begin", "ValueError: trouble"),
    ("add", "ValueError: trouble"),
    ("finish", "ValueError: trouble"),
    ("dict", "a dict; expected a Folded"),
    ("lost", "no tensor model/weight; expected the tensors of the incoming model"),
    ("type", "model/weight as float64 of shape (3, 2); expected float32 of shape (3, 2)"),
    ("nan", "model/weight with values that are not finite"),
    ("fold keeps no group", "'momentum' of type float32 in what the aggregator keeps for the next round"),
    ("fold keeps doubles", "'kept/momentum' of type float64 in what the aggregator keeps for the next round"),
    ("fold keeps a number", "kept/rounds as a float in what the aggregator keeps"),
    ("fold keeps a tensor", "kept/momentum as a Tensor in what the aggregator keeps"),
    ("fold keeps no name", "3 of type float32 in what the aggregator keeps"),
    ("fold keeps a list", "AttributeError: 'list' object has no attribute 'items'"),
]
AT_A_SITE = [
    *((how, "ValueError: trouble") for how in ("at_site", "loss_term", "before_update", "after_step", "at_the_end")),
    ("number", "a float as its term of the loss"),
    ("list", "a list after a round at a site; expected a Sent"),
    ("tensor", "model/weight as a Tensor; expected a numpy array"),
    ("text", "drift as a str; expected a number"),
    ("site keeps no group", "'momentum' of type float32 in what a site keeps for its next round"),
    ("site keeps doubles", "'kept/momentum' of type float64 in what a site keeps for its next round"),
    ("site keeps a number", "kept/rounds as a float in what a site keeps"),
    ("site keeps a tensor", "kept/momentum as a Tensor in what a site keeps"),
    ("site keeps no name", "3 of type float32 in what a site keeps"),
    ("site keeps a list", "AttributeError: 'list' object has no attribute 'items'"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A federation of two sites."""
    return make_home(tmp_path / "home", 9443)


@pytest.mark.parametrize(("how", "said"), [*FAILURES, *AT_A_SITE])
def test_a_check_tries_the_strategy(config: Path, how: str, said: str) -> None:
    rewrite(config, "strategy: fedavg", f"strategy: {{name: bad_strategy, how: {how}}}")
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    (problem,) = outcome.err.split("error: ")[1:]
    assert re.match(rf"federation\.yaml:\d+, strategy: {NAMED}", problem)
    assert said in problem
    assert f"Tell the author of the package {PACKAGE}" in problem
    assert "Traceback" not in outcome.err


def test_a_strategy_that_works_passes(config: Path) -> None:
    rewrite(config, "strategy: fedavg", "strategy: bad_strategy")
    assert aggregator("check", "--config", config).code == 0


@pytest.mark.parametrize(("how", "said"), FAILURES)
def test_a_strategy_that_fails_in_a_round_is_named_too(how: str, said: str) -> None:
    base = {"model/weight": np.ones((3, 2), np.float32)}

    def play() -> None:
        fold = StrategyUse(name="bad_strategy", parameters=How(how=how)).build().begin(base, {}, Sites(("north",)))
        fold.add(Contribution("north", 3, 3, 5, 0.5, base))
        fold.finish()

    with pytest.raises(InputError, match=NAMED) as raised:
        play()
    assert said in str(raised.value)


@pytest.mark.parametrize(("how", "said"), [found for found in AT_A_SITE if found[0].startswith("site keeps")])
def test_a_strategy_whose_half_keeps_what_cannot_be_written_is_named_at_the_site(how: str, said: str) -> None:
    network = torch.nn.Linear(1, 1)
    half = StrategyUse(name="bad_strategy", parameters=How(how=how)).build().at_site(Incoming({}, {}, ()), network)
    with pytest.raises(InputError, match=NAMED) as raised:
        half.finish(network)
    assert said in str(raised.value)


def test_what_can_be_written_is_kept_also_a_single_number_of_numpy() -> None:
    """As an operation on an array without axes gives it."""
    kept = {"kept/rounds": np.array(1, np.int64) + np.int64(1), "kept/momentum": np.zeros((2, 3), np.float16)}
    assert not isinstance(kept["kept/rounds"], np.ndarray)
    with mock.patch.dict(UNKEEPABLE, {"sound": kept}):  # type: ignore[arg-type]
        built = StrategyUse(name="bad_strategy", parameters=How(how="fold keeps sound")).build()
        assert built.begin({"model/weight": np.ones(2, np.float32)}, {}, Sites(("north",))).finish().state == kept
        assert try_strategy(StrategyUse(name="bad_strategy", parameters=How(how="site keeps sound")), "here") == []
    assert set(unpack(pack(kept))) == set(kept)


@pytest.mark.parametrize("command", ["check", "invite"])
def test_the_studys_parts_are_tried_before_anybody_is_invited(config: Path, tmp_path: Path, command: str) -> None:
    training = {"loss": {"bad_loss": {"how": "nan"}}}
    write_study(config.parent / "study.yaml", changed(SEGMENTATION, training=training))
    rewrite(config, "strategy: fedavg", "strategy: {name: bad_strategy, how: add}")
    out = ("--out", tmp_path / "invitation.json") if command == "invite" else ()
    outcome = aggregator(command, "--config", config, *out)
    assert outcome.code == 2
    assert re.search(rf"study\.yaml:\d+, training\.loss: the loss 'bad_loss', of the package {PACKAGE}", outcome.err)
    assert re.search(rf"federation\.yaml:\d+, strategy: {NAMED}", outcome.err)
    assert not (tmp_path / "invitation.json").exists()

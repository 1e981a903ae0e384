"""A package that fails at the aggregator: strategies and parts are tried before a run, and named when they fail."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.home import aggregator, make_home, rewrite
from tests.support.failing_parts import PACKAGE, How
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.protocol import Contribution, Sites

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
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A federation of two sites."""
    return make_home(tmp_path / "home", 9443)


@pytest.mark.parametrize(("how", "said"), FAILURES)
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

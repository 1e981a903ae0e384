"""A package as it was written for release 0.2.0, whose strategy derives from FedAvg, is installed and folds a round."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.installing import forget, install_package
from wardround.federation.strategies.fedavg import FedAvgParameters
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.protocol import Contribution, Incoming
from wardround.federation.strategies.sharing import WEIGHTS_ALONE
from wardround.federation.strategy_terms import StrategyTerms

SOURCE = '''
import numpy as np
from wardround.aggregator.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.aggregator.strategies.protocol import Folded
from wardround.aggregator.strategies.registry import StrategyPart
from wardround.engine.parts import Parameters


class HalfwayParameters(Parameters):
    """Go only a part of the way to the mean."""

    part: float = 0.5


class Halfway(FedAvg):
    def __init__(self, parameters):
        super().__init__(FedAvgParameters())
        self.part = parameters.part

    def begin(self, base, state):
        return HalfwayFold(base, super().begin(base, state), self.part)


class HalfwayFold:
    def __init__(self, base, mean, part):
        self.base, self.mean, self.part = base, mean, part

    def add(self, update, weight):
        self.mean.add(update, weight)

    def finish(self):
        mean = self.mean.finish().model
        return Folded({name: old + (mean[name] - old) * np.float32(self.part) for name, old in self.base.items()}, {})


PART = StrategyPart("halfway", HalfwayParameters, "halfway_strategy:Halfway")
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, as pip would leave it."""
    (tmp_path / "halfway_strategy.py").write_text(SOURCE)
    entries = "[wardround.strategies]\nhalfway = halfway_strategy:PART\n"
    install_package(tmp_path, monkeypatch, "halfway-strategy 1.0", entries)
    yield
    monkeypatch.undo()
    sys.modules.pop("halfway_strategy", None)
    forget()


@pytest.mark.usefixtures("installed")
def test_a_strategy_of_0_2_0_that_derives_from_fedavg_folds_and_lets_sites_train_as_their_study_says() -> None:
    terms = StrategyTerms(name="halfway", parameters={"part": 0.25})
    strategy = StrategyUse.of(terms).build()
    assert strategy.sharing == WEIGHTS_ALONE
    assert strategy.at_site(Incoming({}, {}, (0.1,)), None).finish(None).shared == {}  # type: ignore[arg-type]
    fold = strategy.begin({"model/weight": np.zeros(2, np.float32)}, {}, 2)
    for cases, value in ((1, 2.0), (3, 6.0)):
        arrays = {"model/weight": np.full(2, value, np.float32)}
        fold.add(Contribution("north", cases, cases, 5, None, arrays))
    assert fold.finish().model["model/weight"].tolist() == [1.25, 1.25]


def test_its_mean_is_that_of_fedavg_to_the_last_bit() -> None:
    from wardround.aggregator.strategies.fedavg import FedAvg as Earlier
    from wardround.federation.strategies.fedavg import FedAvg

    random = np.random.default_rng(0)
    updates = [{"model/weight": random.normal(size=50).astype(np.float32)} for _ in range(3)]
    earlier = Earlier(FedAvgParameters()).begin({}, {})
    now = FedAvg(FedAvgParameters()).begin({}, {}, 3)
    for weight, arrays in enumerate(updates, start=1):
        earlier.add(arrays, weight)
        now.add(Contribution("north", weight, weight, 5, None, arrays))
    assert earlier.finish().model["model/weight"].tobytes() == now.finish().model["model/weight"].tobytes()

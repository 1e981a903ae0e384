"""What a strategy makes of sound replies is looked at before it becomes anybody's model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import Bench, expected_models
from wardround.aggregator.rounds.arrays import ArrayStore
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.engine.basics.problems import InputError
from wardround.federation.payload import MAX_TENSORS, PayloadError, unpack
from wardround.federation.strategies.fedavg import FedAvg
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Folded, Sites

Change = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass
class _Spoiled:
    """The mean, of which something is changed when it is finished."""

    mean: Fold
    model: Change
    state: Change

    def add(self, contribution: Contribution) -> None:
        """As the mean does."""
        self.mean.add(contribution)

    def finish(self) -> Folded:
        """The mean, changed."""
        return Folded(self.model(dict(self.mean.finish().model)), self.state({"state/moment": np.zeros(2, np.float32)}))


@dataclass(frozen=True)
class _Spoiling(FedAvg):
    model: Change = dict
    state: Change = dict

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """A fold that will be spoiled."""
        return _Spoiled(super().begin(base, {}, sites), self.model, self.state)


def _with(bench: Bench, strategy: _Spoiling) -> RoundLoop:
    loop = bench.loop()
    loop.run_plan = replace(loop.run_plan, strategy=strategy)
    return loop


def _with_one(name: str, number: float) -> Change:
    """Set one number of one tensor."""

    def change(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        changed = arrays[name].copy()
        changed.flat[-1] = number
        return {**arrays, name: changed}

    return change


def _without(name: str) -> Change:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def _as(name: str, kind: type[np.generic]) -> Change:
    return lambda arrays: {**arrays, name: arrays[name].astype(kind)}


SPOILED = {
    "one number of the model is none": _Spoiling(model=_with_one("model/weight", np.nan)),
    "one number of the model is infinite": _Spoiling(model=_with_one("model/bias", -np.inf)),
    "a tensor is missing": _Spoiling(model=_without("model/bias")),
    "a tensor has another type": _Spoiling(model=_as("model/weight", np.float64)),
    "one number of its state is none": _Spoiling(state=_with_one("state/moment", np.nan)),
}


@pytest.mark.parametrize("strategy", SPOILED.values(), ids=SPOILED)
def test_a_strategy_that_spoils_sound_replies_ends_no_round_and_costs_no_work(
    tmp_path: Path, strategy: _Spoiling
) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)
    before = set(_models(bench))
    with pytest.raises(InputError, match="the strategy made a model that cannot be used; the round is not committed"):
        _with(bench, strategy).run()
    assert bench.state.results() == ()
    assert bench.journal("model_written") == []
    begun = set(_models(bench)) - before
    assert bench.run().complete
    assert bench.models() == expected_models(bench)[:-1]
    assert [site.trainings for site in bench.sites.values()] == [1, 1, 1], "the replies were kept"
    assert len(begun) == 2, "nothing but what the round began with: model and state"


def test_what_a_sound_strategy_carries_is_kept_for_the_next_round(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=2, final=False)
    assert _with(bench, _Spoiling()).run().complete
    assert bench.models() == expected_models(bench)[:-1]
    state = bench.state.arrays.get(bench.state.results()[-1].state)
    assert state["state/moment"].tolist() == [0.0, 0.0]


def _models(bench: Bench) -> list[Path]:
    """Every model and state that lies in the state folder."""
    return [path for path in bench.folder.rglob("*.safetensors") if "rounds" not in path.parts]


def test_a_state_may_have_more_tensors_than_a_message(tmp_path: Path) -> None:
    """Some for each site of a large federation."""
    store = ArrayStore(tmp_path)
    state = {f"own/site-{number}/weight": np.full(2, number, np.float32) for number in range(MAX_TENSORS + 1)}
    digest = store.put(state)
    found = store.get(digest)
    assert len(found) == MAX_TENSORS + 1
    assert found["own/site-77/weight"].tolist() == [77.0, 77.0]
    with pytest.raises(PayloadError):
        unpack(store.read(digest))

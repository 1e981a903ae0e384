"""How large a reply may be follows from the model, not from what a message can be at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.aggregator.home import make_home
from wardround.aggregator import run
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.journal import Journal
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.run import reply_bytes
from wardround.federation.model_group import initial_arrays
from wardround.federation.payload import pack
from wardround.federation.protocol import Stage

MARGIN = 4 * 2**20


def test_the_limit_is_the_models_size_before_a_run_and_in_it(tmp_path: Path) -> None:
    config = make_home(tmp_path, 40_001)
    found = load_coordination(config)
    size = len(pack(initial_arrays(found.study)))
    assert reply_bytes(found) == size + MARGIN
    state = StateFolder(found.folders.state)
    model, kept = (state.arrays.put({"model/w": np.zeros(size, np.float32)}) for size in (5_000_000, 7_000_000))
    assert reply_bytes(found) == size + MARGIN
    state.round(1).commit(_result(model, kept))
    assert 20_000_000 < reply_bytes(found) - MARGIN < 20_001_000, "what the strategy keeps counts"


def _result(model: str, state: str) -> RoundResult:
    """Of a first round."""
    return RoundResult(
        round=1, stage=Stage.TRAIN, base=model, model=model, state=state, sites=(), absent=(), seconds=1, finished=""
    )


def test_the_coordinator_may_say_less(tmp_path: Path) -> None:
    config = make_home(tmp_path, 40_001)
    with config.open("a") as handle:
        handle.write("limits: {reply: 1}\n")
    assert reply_bytes(load_coordination(config)) == 2**20


def test_the_link_holds_sites_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(run, "Link", lambda **parameters: given.update(parameters))
    monkeypatch.setattr(run.transport, "prepare", lambda *_: None)  # it can be done once in a process
    found = load_coordination(make_home(tmp_path, 40_001))
    run._link(found, Journal(tmp_path / "events.jsonl", lambda _: None))
    assert given["limits"].reply_bytes == run.reply_bytes(found)

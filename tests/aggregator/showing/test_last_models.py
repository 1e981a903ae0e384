"""Pages, curves and summaries: made before the round is committed, or at the end, where they can end nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from tests.aggregator.bench import NAMES, Bench
from tests.aggregator.showing.test_models import with_outputs
from tests.support.studies import SEGMENTATION, study_of
from wardround.aggregator import run
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.outcome import Outcome
from wardround.aggregator.showing import page as report
from wardround.aggregator.showing.event_file import EventFile
from wardround.aggregator.showing.history import history_rows
from wardround.aggregator.showing.models import Outputs
from wardround.aggregator.showing.tensorboard import Scalars, scalars_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode
from wardround.federation.endings import EndReason
from wardround.federation.model_group import initial_arrays

FAULTS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    ValueError("an axis of numbers that cannot be drawn"),
]


@pytest.fixture(scope="module")
def network() -> dict[str, np.ndarray]:
    """The study's true initial arrays."""
    return dict(initial_arrays(study_of(SEGMENTATION)))


def failing(error: Exception) -> Callable[..., NoReturn]:
    """Does nothing but fail."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize(
    "piece", ["_facts", "_site_table", "_changes", "_round_table", "_plan_rows", "parts_of", "megabytes", "number"]
)
def test_no_round_is_committed_whose_page_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, np.ndarray], piece: str
) -> None:
    bench, results = Bench(tmp_path / "state", names=("north",), rounds=2), tmp_path / "results"
    loop = with_outputs(bench, results, monkeypatch, network)
    with monkeypatch.context() as broken:
        broken.setattr(report, piece, failing(ValueError("this cannot be shown")))
        with pytest.raises(InputError, match="round 1 cannot be made; the round is not committed"):
            loop.run()
    assert bench.state.results() == ()
    assert with_outputs(bench, results, monkeypatch, network).run().complete


@pytest.mark.parametrize("error", FAULTS, ids=["full", "broken", "defect"])
@pytest.mark.parametrize("piece", ["report", "summarise", "scalars"])
def test_what_cannot_be_made_at_the_end_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, np.ndarray], piece: str, error: Exception
) -> None:
    bench, results = Bench(tmp_path / "state", names=("north",), rounds=1), tmp_path / "results"
    loop = with_outputs(bench, results, monkeypatch, network)
    outputs, outcome = loop.showcase, loop.run()
    assert isinstance(outputs, Outputs)
    with monkeypatch.context() as broken:
        broken.setattr(*((Scalars, "close") if piece == "scalars" else (Outputs, piece)), failing(error))
        unwritten = run._write_last(outputs, loop, outcome)
    assert unwritten is not None
    assert str(error) in str(unwritten)
    assert "start the same command again" in str(unwritten)
    assert str(error) in str(bench.journal(Event.OUTPUTS_FAILED)[0].facts["detail"])
    written = {"report": "report.html", "summarise": "summary.json"}
    assert all((results / name).exists() != (piece == made) for made, name in written.items())
    with pytest.raises(InputError):
        run._conclude(results, Outcome(EndReason.COMPLETE, "", unwritten))
    assert run._write_last(outputs, loop, outcome) is None
    assert run._conclude(results, outcome) == ExitCode.OK


def test_curves_go_on_in_another_file_after_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, np.ndarray]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    bench, results = Bench(tmp_path / "state", names=NAMES, rounds=3), tmp_path / "results"
    put, calls = EventFile._put, [0]

    def sometimes_full(self: EventFile, **content: object) -> None:
        calls[0] += 1
        if 7 <= calls[0] <= 9:
            raise FAULTS[0]
        put(self, **content)

    monkeypatch.setattr(EventFile, "_put", sometimes_full)
    loop: RoundLoop = with_outputs(bench, results, monkeypatch, network)
    assert loop.run() == Outcome(EndReason.COMPLETE, "all 3 rounds are complete")
    assert bench.journal(Event.OUTPUTS_FAILED)
    found = EventAccumulator(str(results / "tensorboard"))
    found.Reload()
    shown = {(tag, point.step, point.value) for tag in found.Tags()["scalars"] for point in found.Scalars(tag)}
    expected = {(tag, step, float(np.float32(value))) for tag, step, value in scalars_of(history_rows(loop.results))}
    assert shown == expected


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), *FAULTS[:2]])
def test_a_terminal_that_is_gone_ends_nothing(tmp_path: Path, error: OSError) -> None:
    journal = Journal(tmp_path / "events.jsonl", failing(error))
    journal.record(Event.RUN_STARTED)
    assert journal.path.exists()

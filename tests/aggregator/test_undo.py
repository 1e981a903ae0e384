"""`aggregator undo`: rounds are moved aside, the run goes on from the model before, and ends with the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import trained
from tests.support.studies import SEGMENTATION, study_of, write_study
from wardround.aggregator.cli import app
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.enrolment import write_roster
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.records import RoundOrder, accepted_keys
from wardround.aggregator.showing.chronicle import GrowingFile
from wardround.aggregator.showing.history import history_jsonl, history_rows
from wardround.aggregator.showing.models import Outputs
from wardround.aggregator.showing.tensorboard import Scalars
from wardround.aggregator.undo import describe_foreseen, foresee, undo_rounds
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.federation.model_group import initial_arrays
from wardround.federation.protocol import Stage

NAMES = ("north", "south")


def config_of(home: Path, bench: Bench) -> Path:
    """A federation file beside the bench's state."""
    write_roster(home / "roster.json", bench.roster)
    write_study(home / "study.yaml", SEGMENTATION)
    path = home / "federation.yaml"
    path.write_text(
        "schema: 1\nfederation: bench\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        f"horizon: {{rounds: {bench.rounds}, local_steps: 5}}\n"
    )
    return path


@pytest.fixture
def silent_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench's model is no network: results are not made of it."""
    monkeypatch.setattr("wardround.aggregator.undo._show", lambda *_: None)


@pytest.mark.usefixtures("silent_outputs")
@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
def test_undone_rounds_are_played_again_to_the_same_weights(tmp_path: Path, first: int) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=4)
    bench.run()
    if first < 3 and first != 1:
        with pytest.raises(InputError, match="is not kept"):
            undo_rounds(config_of(tmp_path, bench), first)
        return
    undone = undo_rounds(config_of(tmp_path, bench), first)
    assert (undone.first, undone.last) == (first, 5)
    assert len(bench.state.results()) == first - 1
    assert len(list(undone.folder.glob("*/result.json"))) == 6 - first
    for site in bench.sites.values():
        site.tasks.clear()
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    before = accepted_keys(bench.state.results()[: first - 1])
    for name, site in bench.sites.items():
        asked = [task for task in site.tasks if task.stage is not Stage.HELLO]
        assert asked[0].accepted == before.get(name)
        assert asked[0].round == first


@pytest.mark.usefixtures("silent_outputs")
def test_a_poisoned_round_of_an_earlier_release_can_be_undone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=2)
    bench.run()
    result = bench.state.round(2).result()
    assert result is not None
    sites = (result.sites[0].model_copy(update={"loss": 1.7e308}), *result.sites[1:])
    path = bench.state.round(2).folder / "result.json"
    path.write_bytes(canonical_model(result.model_copy(update={"sites": sites})))
    with pytest.raises(InputError, match="aggregator undo 2"):
        bench.run()
    undo_rounds(config_of(tmp_path, bench), 2)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


@pytest.mark.usefixtures("silent_outputs")
def test_a_result_that_is_damaged_can_be_undone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=2)
    bench.run()
    (bench.state.round(2).folder / "result.json").write_bytes(b"\0" * 50)
    undo_rounds(config_of(tmp_path, bench), 2)
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


def test_what_cannot_be_undone_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=2)
    config = config_of(tmp_path, bench)
    with pytest.raises(InputError, match="no such round"):
        undo_rounds(config, 1)
    bench.run()
    for number in (0, 4):
        with pytest.raises(InputError, match="no such round"):
            undo_rounds(config, number)
    with bench.state.locked(), pytest.raises(InputError, match="another aggregator"):
        undo_rounds(config, 2)
    assert len(bench.state.results()) == 3


@pytest.mark.usefixtures("silent_outputs")
def test_what_an_undo_asks_of_the_sites_is_said_before_it_is_done(tmp_path: Path) -> None:
    """Also what was done again before, and only under the plan of now."""
    bench = Bench(tmp_path / "state", names=NAMES, rounds=3)
    config = config_of(tmp_path, bench)
    bench.run()
    said = [" ".join(describe_foreseen(foresee(config, number))) for number in (1, 4)]
    assert "rounds 1 to 4" in said[0]
    assert "first model" in said[0]
    assert "allowance: 4" in said[0], "more than a site allows by itself"
    assert "round 4:" in said[1]
    assert "the model of round 3" in said[1]
    assert "ask each site" not in said[1]
    assert all("evaluation: {final: false}" in text for text in said)
    undo_rounds(config, 3)
    bench.run()
    assert foresee(config, 3).again == 4
    journal = Journal(bench.state.journal_path, lambda entry: None)
    journal.record(Event.RUN_CARRIED_ON, plan=bench.plan.digest, rounds=3, detail="")
    assert foresee(config, 3).again == 2, "the sites' account is another one for another plan"


def test_from_which_round_on_a_run_can_go_back_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=6)
    bench.run()
    with pytest.raises(InputError, match="Undo from round 5 on"):
        foresee(config_of(tmp_path, bench), 2)
    assert len(bench.state.results()) == 7


@pytest.mark.usefixtures("silent_outputs")
def test_a_final_evaluation_that_the_sites_decline_can_be_left_out(tmp_path: Path) -> None:
    """It was begun already, and the coordinator sets `final: false` then."""
    bench = Bench(tmp_path / "state", names=NAMES, rounds=2)
    bench.run()
    undo_rounds(config_of(tmp_path, bench), 3)
    order = RoundOrder(
        round=3, stage=Stage.EVALUATE, base=bench.models()[-1], state=bench.models()[-1], sites=bench.names
    )
    bench.state.round(3).begin(order)
    bench.final = False
    assert bench.run().complete
    assert len(bench.state.results()) == 2
    assert bench.state.round(3).order() is None


def test_without_a_yes_nothing_is_undone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=NAMES, rounds=1)
    bench.run()
    config = str(config_of(tmp_path, bench))
    refused = CliRunner().invoke(app, ["undo", "1", "--config", config])
    assert (refused.exit_code, len(bench.state.results())) == (2, 2)
    assert "--yes" in refused.stdout
    done = CliRunner().invoke(app, ["undo", "1", "--config", config, "--yes"])
    assert (done.exit_code, len(bench.state.results())) == (0, 0)
    assert "goes on with round 1" in done.stdout


def with_outputs(bench: Bench, results: Path) -> RoundLoop:
    """The bench's loop with true outputs."""
    loop = bench.loop()
    scalars = Scalars(results / "tensorboard")
    loop.showcase = Outputs(results, bench.plan, bench.study, bench.names, bench.state.arrays, scalars)
    return loop


def test_history_and_models_go_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network: dict[str, np.ndarray] = dict(initial_arrays(study_of(SEGMENTATION)))
    monkeypatch.setattr("tests.aggregator.bench.initial", lambda: network)
    bench, results = Bench(tmp_path / "state", names=NAMES, rounds=2), tmp_path / "results"
    for site in bench.sites.values():
        site.metric = {1: 0.125, 2: 0.25, 3: 0.75}.__getitem__
    assert with_outputs(bench, results).run().complete
    undo_rounds(config_of(tmp_path, bench), 2)
    models = bench.models()
    cards = {name: json.loads((results / name / "metrics.json").read_text()) for name in ("best", "last")}
    assert (cards["last"]["model"], cards["best"]["round"]) == (models[0], 0)
    assert len((results / "history.jsonl").read_text().splitlines()) == 2
    assert with_outputs(bench, results).run().complete
    assert json.loads((results / "best" / "metrics.json").read_text())["round"] == 2
    undo_rounds(config_of(tmp_path, bench), 1)
    assert not (results / "best").exists()
    assert not (results / "history.jsonl").exists()


def test_history_is_whole_after_a_disk_that_was_full_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network: dict[str, np.ndarray] = dict(initial_arrays(study_of(SEGMENTATION)))
    monkeypatch.setattr("tests.aggregator.bench.initial", lambda: network)
    bench, results = Bench(tmp_path / "state", names=NAMES, rounds=3), tmp_path / "results"
    extend, left = GrowingFile.extend, [False, True, True]

    def full(self: GrowingFile, settled: bytes, tail: bytes) -> None:
        if left and left.pop():
            raise OSError(28, "No space left on device")
        extend(self, settled, tail)

    monkeypatch.setattr(GrowingFile, "extend", full)
    assert with_outputs(bench, results).run().complete
    assert bench.journal("outputs_failed")
    assert (results / "history.jsonl").read_bytes() == history_jsonl(history_rows(bench.state.results()))


def test_a_model_that_is_damaged_is_restored_from_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network: dict[str, np.ndarray] = dict(initial_arrays(study_of(SEGMENTATION)))
    monkeypatch.setattr("tests.aggregator.bench.initial", lambda: network)
    bench, results = Bench(tmp_path / "state", names=("north",), rounds=2, below_quorum="stop"), tmp_path / "results"
    bench.sites["north"].spoil = lambda arrays, number: {} if number == 2 else arrays
    assert not with_outputs(bench, results).run().complete
    path = bench.state.arrays.path(bench.models()[0])
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    bench.sites["north"].spoil = None
    bench.sites["north"].outbox.clear()
    bench.sites["north"].models.clear()  # what it was sent is mapped from the file that is damaged now
    assert with_outputs(bench, results).run().complete
    assert path.read_bytes() == content
    assert len(bench.journal("record_mended")) == 1
    model = trained(trained(network, "north", 1), "north", 2)
    assert {name: array.tobytes() for name, array in bench.state.arrays.get(bench.models()[1]).items()} == {
        name: array.tobytes() for name, array in model.items()
    }

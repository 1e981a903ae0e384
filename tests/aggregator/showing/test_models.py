"""What people take away: history, model folders, report, scalars, status and the live table."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import Bench, initial
from tests.support.studies import SEGMENTATION, study_of, write_study
from wardround.aggregator.journal import Event
from wardround.aggregator.roster.enrolment import write_roster
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.records import Told
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.showing.estimate import seconds_left
from wardround.aggregator.showing.history import HistoryRow, history_rows
from wardround.aggregator.showing.live_table import LiveView, Watched, overview, site_cells, site_table
from wardround.aggregator.showing.models import Outputs
from wardround.aggregator.showing.page import ALL, loss_lines, metric_lines
from wardround.aggregator.showing.status import describe_status, read_status
from wardround.aggregator.showing.tensorboard import Scalars, scalars_of
from wardround.engine.basics.durations import duration
from wardround.engine.basics.printable import printable
from wardround.engine.report.figures import curves
from wardround.federation.event_log import Entry
from wardround.federation.model_group import as_tensors, initial_arrays
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Checks, Horizon

RISING = {1: 0.125, 2: 0.75, 3: 0.25, 4: 0.5}


@pytest.fixture(scope="module")
def network() -> dict[str, np.ndarray]:
    """The study's true initial arrays."""
    return dict(initial_arrays(study_of(SEGMENTATION)))


def with_outputs(bench: Bench, results: Path, monkeypatch: pytest.MonkeyPatch, network: object) -> RoundLoop:
    """The bench's loop on a true network, with true outputs."""
    monkeypatch.setattr("tests.aggregator.bench.initial", lambda: network)
    for site in bench.sites.values():
        site.metric = RISING.__getitem__
    loop = bench.loop()
    loop.showcase = Outputs(
        results, bench.plan, bench.study, bench.names, bench.state.arrays, Scalars(results / "tensorboard")
    )
    return loop


def test_models_history_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, np.ndarray]
) -> None:
    from wardround.engine.experiments.models import load_model

    bench, results = Bench(tmp_path / "state"), tmp_path / "results"
    loop = with_outputs(bench, results, monkeypatch, network)
    assert loop.run().complete
    assert isinstance(loop.showcase, Outputs)

    best, last = (json.loads((results / name / "metrics.json").read_text()) for name in ("best", "last"))
    assert (best["round"], best["metrics"]["dice"]) == (1, {"value": 0.75, "count": 12})
    assert (last["round"], last["metrics"]["dice"]["value"]) == (3, 0.5)

    loaded = load_model(results / "last", device="cpu").network.state_dict()
    arrays = bench.state.arrays.get(bench.models()[-1])
    assert payload_digest(pack({f"model/{name}": tensor.numpy() for name, tensor in loaded.items()})) == last["model"]
    assert set(as_tensors(arrays)) == set(loaded)

    rows = [HistoryRow.model_validate_json(line) for line in (results / "history.jsonl").read_text().splitlines()]
    assert tuple(rows) == history_rows(bench.state.results())
    assert [row.metrics["dice"].value for row in rows] == [0.125, 0.75, 0.25, 0.5]
    with (results / "history.csv").open() as handle:
        lines = list(csv.DictReader(handle))
    assert [(line["round"], line["site"]) for line in lines[:5]] == [
        ("0", "all"),
        ("0", "east"),
        ("0", "north"),
        ("0", "south"),
        ("1", "all"),
    ]
    assert lines[4]["train_cases"] == "51"
    assert int(lines[4]["bytes_out"]) > len(pack(network)) * 3

    page = loop.showcase.report(loop.results, loop.best())
    assert page is not None
    text = page.read_text()
    for part in ("east", "dice of the best model", "0.75", "evaluation", bench.plan.digest, "data:image/svg+xml"):
        assert part in text
    assert list((results / "tensorboard").glob("events*"))


def test_a_model_folder_is_made_again_when_a_crash_left_it_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, np.ndarray]
) -> None:
    bench, results = Bench(tmp_path / "state", names=("north",), rounds=1), tmp_path / "results"
    assert with_outputs(bench, results, monkeypatch, network).run().complete
    whole = (results / "last" / "model.safetensors").read_bytes()
    (results / "last" / "model.safetensors").write_bytes(b"half")
    (results / "last" / "metrics.json").unlink()
    assert with_outputs(bench, results, monkeypatch, network).run().complete
    assert (results / "last" / "model.safetensors").read_bytes() == whole


def test_there_is_no_report_about_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    outputs = Outputs(tmp_path / "results", bench.plan, bench.study, bench.names, bench.state.arrays, Scalars(tmp_path))
    assert outputs.report((), None) is None
    assert history_rows(()) == ()


def test_curves_have_a_line_for_all_and_one_for_each_site(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    rows = history_rows(bench.state.results())
    assert list(metric_lines(rows, "dice")) == [ALL, "east", "north", "south"]
    assert metric_lines(rows, "dice")["north"] == [(0, 0.5), (1, 0.5), (2, 0.5), (3, 0.5)]
    assert [point[0] for point in loss_lines(rows)[ALL]] == [1, 2, 3]
    assert metric_lines(rows, "hd95") == {}


def test_a_line_has_a_gap_where_a_site_has_no_number_of_its_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    full = history_rows(bench.state.results())
    away = {name: site for name, site in full[2].sites.items() if name != "north"}
    rows = (*full[:2], full[2].model_copy(update={"sites": away}), *full[3:])
    for lines in (metric_lines(rows, "dice"), loss_lines(rows)):
        assert [place for place, value in lines["north"] if math.isnan(value)] == [2]
        assert not any(math.isnan(value) for _, value in (*lines[ALL], *lines["south"]))
    chart = curves({"dice": metric_lines(rows, "dice")}, "round").charts[0]
    assert "nan" not in chart.alt
    assert b"nan" not in chart.light.lower()


def test_rounds_that_score_nothing_break_no_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    bare = [
        row.model_copy(update={"metrics": {}, "sites": {}}) if row.round % 2 else row
        for row in history_rows(bench.state.results())
    ]
    assert [place for place, _ in metric_lines(bare, "dice")["north"]] == [0, 2]


def test_scalars_are_written_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", names=("north",), rounds=1)
    bench.run()
    rows = history_rows(bench.state.results())
    assert ("validation/dice", 1, 0.5) in list(scalars_of(rows))

    class Writer:
        def __init__(self) -> None:
            self.added: list[tuple[str, float, int]] = []

        def add(self, tag: str, value: float, step: int) -> None:
            self.added.append((tag, value, step))

        def flush(self) -> None:
            pass

        def close(self) -> None:
            self.added.append(("closed", 0, 0))

    scalars = Scalars(tmp_path)
    scalars.close()
    writer = Writer()
    scalars._writer = writer  # type: ignore[assignment]
    scalars.write(rows)
    count = len(writer.added)
    scalars.write(rows)
    assert len(writer.added) == count == len(list(scalars_of(rows)))
    scalars.close()
    assert writer.added[-1][0] == "closed"


def test_the_estimate_leaves_the_first_round_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north",), rounds=2)
    bench.run()
    first, second, _ = bench.state.results()
    slow = first.model_copy(update={"seconds": 500.0})
    quick = second.model_copy(update={"seconds": 10.0})
    plan = bench.plan.model_copy(update={"horizon": Horizon(rounds=5, local_steps=1)})
    assert seconds_left((), plan, 10, 0.0) is None
    assert seconds_left((slow,), plan, 3, 0.0) == 1000.0
    assert seconds_left((slow, quick), plan, 5, 4.0) == 26.0
    assert seconds_left((slow, quick), plan, 5, 400.0) == 20.0
    assert seconds_left((slow, quick), plan, 2, 0.0) == 0.0


def test_the_estimate_counts_the_rounds_that_score_and_the_final_evaluation(tmp_path: Path) -> None:
    """Scored in rounds 1, 4 and 7: validating takes 60 s, a round without it 10 s, the final evaluation two sets."""
    bench = Bench(tmp_path, names=("north",), rounds=2)
    bench.run()
    one = bench.state.results()[0]
    done = tuple(
        one.model_copy(update={"round": number, "seconds": 70.0 if number in (1, 4) else 10.0})
        for number in range(1, 6)
    )
    checks = Checks(every=3)
    plan = bench.plan.model_copy(update={"horizon": Horizon(rounds=7, local_steps=1), "validation": checks})
    assert seconds_left(done, plan, 8, 0.0) == 10.0 + 70.0 + 120.0
    assert seconds_left(done, plan, 7, 0.0) == 80.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (3.4, "3 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7320, "2 h 02 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_the_live_table_has_a_line_per_site(tmp_path: Path) -> None:
    from rich.console import Console

    bench = Bench(tmp_path)
    loop = bench.loop()
    view = LiveView()
    console = Console(record=True, width=140)
    console.print(view.render())
    view.watch(Watched(loop, lambda site: None if site == "south" else 3.0))
    loop.run()
    console.print(view.render())
    text = console.export_text()
    assert "starting" in text
    assert "3 of 3 rounds done, best dice 0.5000 (round 0)" in text
    assert [line.split()[:2] for line in text.splitlines()[-3:]] == [[name, "done"] for name in bench.names]
    assert "never" in text.splitlines()[-1]
    assert "final evaluation" in overview(loop)


def test_the_live_screen_takes_no_name_for_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    bench = Bench(tmp_path)
    loop = bench.loop()
    view = LiveView()
    console = Console(record=True, width=140)
    monkeypatch.setattr(view, "_console", console)
    view.watch(Watched(loop, lambda site: 3.0))
    loop.run()
    assert loop.gathering is not None
    odd = [
        SiteStatus("[red]north[/red]", SiteState.WORKING, 0.0, "[bold]training", 1, 2, 3.0, "[/] [full] [link=x]y"),
        SiteStatus("[/nothing]", SiteState.DECLINED, 0.0, "", 0, 0, None, "policy [1]"),
    ]
    monkeypatch.setattr(loop.gathering, "statuses", lambda now: odd)
    plan = loop.run_plan.plan.model_copy(update={"federation": "[green]brains[/green]"})
    monkeypatch.setattr(loop, "run_plan", replace(loop.run_plan, plan=plan))
    console.print(view.render())
    entry = Entry("2026-01-01T10:00:00Z", Event.SITE_OFFLINE, {"site": "[blue]south[/blue]", "detail": "[/] cut [x]"})
    view.tell(entry)
    text = console.export_text()
    for shown in (
        *("[red]north[/red]", "[bold]training", "[/] [full] [link=x]y", "[/nothing]", "policy [1]"),
        *("[green]brains[/green]", "[blue]south[/blue]", "[/] cut [x]"),
    ):
        assert shown in text, shown


def test_a_sites_line_counts_down_between_answers() -> None:
    status = SiteStatus("north", SiteState.LATE, 10.0, "training", 3, 9, 60.0, "disk_full [1]", heard=100.0)
    cells = site_cells(status, 120.0, 2.0)
    assert cells[0] == "north"
    assert "late" in cells[1]
    assert cells[2:] == ["1 min 50 s", "training", "3 of 9", "40 s", "2 s ago", "disk_full [1]"]


def test_status_reads_what_is_on_disk(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", quorum=2, deadline=30.0, rounds=2, away=lambda site, now: site == "south")
    write_roster(tmp_path / "roster.json", bench.roster)
    write_study(tmp_path / "study.yaml", SEGMENTATION)
    config = tmp_path / "federation.yaml"
    config.write_text(
        "schema: 1\nfederation: bench\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        "horizon: {rounds: 2, local_steps: 5}\n"
    )
    bench.run()
    found = read_status(config)
    assert (found.process, found.rounds_done, found.open_round) == ("stopped", 2, None)
    assert found.best is not None
    assert found.best.value == 0.5
    assert [site.state for site in found.sites] == ["done", "done", "offline"]
    assert "2 of 2 rounds done, best dice 0.5000" in describe_status(found)[0]
    with bench.state.locked():
        assert read_status(config).process == "running"


def test_a_complete_run_is_called_complete_and_nobody_offline(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", rounds=2)
    write_roster(tmp_path / "roster.json", bench.roster)
    write_study(tmp_path / "study.yaml", SEGMENTATION)
    config = tmp_path / "federation.yaml"
    config.write_text(
        "schema: 1\nfederation: bench\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        "horizon: {rounds: 2, local_steps: 5}\n"
    )
    bench.run()
    bench.state.tell(Told(plan=bench.plan.digest, sites=("east", "north")))
    found = read_status(config)
    lines = describe_status(found)
    assert (found.state, found.seconds_left) == ("complete", 0.0)
    assert lines[0].startswith("bench: complete, 2 of 2 rounds done")
    assert not any("offline" in line or "stopped" in line for line in lines)
    assert any(line.split() == ["north", "complete"] for line in lines)
    assert any("south" in line and "not told of the end yet" in line for line in lines)
    assert any(str(tmp_path / "results") in line for line in lines)


def test_initial_arrays_are_a_function_of_the_study(network: dict[str, np.ndarray]) -> None:
    again = initial_arrays(study_of(SEGMENTATION))
    assert pack(again) == pack(network)
    assert all(name.startswith("model/") for name in network)
    assert set(initial()) != set(network)


@pytest.mark.parametrize("reason", ["[bold red]done[/]", "\\[link=x]y[/link]", "disk\x1b[2Jfull\r\nnorth  done"])
def test_a_sites_reason_is_shown_as_it_is(tmp_path: Path, reason: str) -> None:
    from rich.console import Console

    bench = Bench(tmp_path)
    loop = bench.loop()
    loop.run()
    assert loop.gathering is not None
    conversation = loop.gathering.conversations["north"]
    conversation._standing.status = replace(conversation.status, reason=reason)
    console = Console(record=True, width=200)
    console.print(site_table(Watched(loop, lambda site: 1.0)))
    assert printable(reason) in console.export_text()

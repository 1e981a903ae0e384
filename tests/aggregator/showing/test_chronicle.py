"""The history's files are appended to; at every moment they are what a fresh process would write."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.aggregator.showing import chronicle, history
from wardround.aggregator.showing.chronicle import Chronicle, GrowingFile
from wardround.aggregator.showing.history import csv_head, csv_lines, history_jsonl, history_rows, metric_names
from wardround.aggregator.showing.tensorboard import Scalars, scalars_of
from wardround.federation.protocol import MetricValue, Stage


def result(number: int, stage: Stage = Stage.TRAIN, names: tuple[str, ...] = ("dice",), sites: int = 3) -> RoundResult:
    """A round that says something else than every other."""
    scores = {name: MetricValue(value=1 / (number + 2), count=5) for name in names}
    base, model = (f"{place:064x}" for place in (number - 1, number))
    return RoundResult(
        round=number,
        stage=stage,
        base=base,
        model=model if stage is Stage.TRAIN else base,
        state="0" * 64,
        sites=tuple(
            SiteResult(
                site=f"site-{place}",
                work_key=f"{number:064x}",
                update="1" * 64,
                train_cases=10 + place,
                loss=1.0 / number,
                metrics=scores,
                seconds=1.5,
            )
            for place in range(sites)
        ),
        absent=(),
        seconds=float(number),
        finished="2026-01-01T00:00:00+00:00",
    )


def whole(results: tuple[RoundResult, ...]) -> tuple[bytes, bytes]:
    """What the two files should hold."""
    rows = history_rows(results)
    names = metric_names(rows)
    return history_jsonl(rows), csv_head(names) + csv_lines(rows, names)


def held(folder: Path) -> tuple[bytes, bytes]:
    """What they hold."""
    return (folder / "history.jsonl").read_bytes(), (folder / "history.csv").read_bytes()


def a_run(rounds: int) -> tuple[RoundResult, ...]:
    """Rounds, some with a metric that was not there before, and a last evaluation."""
    named = {3: ("dice", "hd95"), 4: ("dice", "hd95"), 7: ("auc",)}
    trained = [result(number, names=named.get(number, ("dice",))) for number in range(1, rounds + 1)]
    return (*trained, result(rounds + 1, Stage.EVALUATE))


@pytest.mark.parametrize("seed", range(8))
def test_the_files_are_at_every_moment_what_a_rewrite_would_make(tmp_path: Path, seed: int) -> None:
    """With crashes in between, after which the files are cut anywhere; with rounds undone and played again."""
    chance, run = random.Random(seed), a_run(9)
    writer, count = Chronicle(tmp_path), 0
    while count < len(run):
        count += 1
        writer.update(run[:count])
        assert held(tmp_path) == whole(run[:count])
        if chance.random() < 0.3:
            for name in ("history.jsonl", "history.csv"):
                content = (tmp_path / name).read_bytes()
                (tmp_path / name).write_bytes(content[: chance.randrange(len(content))])
            writer = Chronicle(tmp_path)
        if chance.random() < 0.1:
            count = max(1, count - 2)
            writer.update(run[:count])
            assert held(tmp_path) == whole(run[:count])


def test_a_thousand_rounds_cost_as_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are written and rows that are made grow with the rounds, not with their square."""
    written, made, rewrites = [0], [0], [0]
    extend, row_at, write = GrowingFile.extend, history._row_at, chronicle.write_atomic

    def count_bytes(file: GrowingFile, settled: bytes, tail: bytes) -> None:
        written[0] += len(settled) + len(tail)
        extend(file, settled, tail)

    def count_rows(results: tuple[RoundResult, ...], number: int) -> history.HistoryRow:
        made[0] += 1
        return row_at(results, number)

    def count_rewrites(path: Path, content: bytes) -> None:
        rewrites[0] += 1
        write(path, content)

    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(GrowingFile, "extend", count_bytes)
    monkeypatch.setattr(history, "_row_at", count_rows)
    monkeypatch.setattr(chronicle, "write_atomic", count_rewrites)
    results, writer = tuple(result(number, sites=1) for number in range(1, 1001)), Chronicle(tmp_path)
    for count in range(1, 1001):
        writer.update(results[:count])
    size = sum(len(content) for content in held(tmp_path))
    assert written[0] < 2.2 * size
    assert made[0] < 2.2 * 1000
    assert rewrites[0] == 2, "each file is made once"


class FakeWriter:
    """Takes scalars as a file of TensorBoard's does."""

    def __init__(self, folder: Path, forget: int) -> None:
        self.purged = forget
        self.added: list[tuple[str, int, float]] = []
        opened.append(self)

    def add(self, tag: str, value: float, step: int) -> None:
        self.added.append((tag, step, value))

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


opened: list[FakeWriter] = []


@pytest.mark.parametrize("restarts", [(), (3,), (1, 2, 8), tuple(range(1, 10))])
def test_tensorboard_is_not_written_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: tuple[int, ...]
) -> None:
    monkeypatch.setattr("wardround.aggregator.showing.tensorboard.EventFile", FakeWriter)
    opened.clear()
    run = a_run(9)
    scalars, writer = Scalars(tmp_path / "board"), Chronicle(tmp_path)
    for count in range(1, len(run) + 1):
        changed = writer.update(run[:count])
        scalars.write(writer.rows[changed:], len(run[:count]))
        if count in restarts:
            scalars, writer = Scalars(tmp_path / "board"), Chronicle(tmp_path)
    shown: dict[tuple[str, int], float] = {}
    for log in opened:
        shown = {key: value for key, value in shown.items() if key[1] < log.purged}
        shown.update({(tag, step): value for tag, step, value in log.added})
    expected = {(tag, step): value for tag, step, value in scalars_of(history_rows(run))}
    assert shown == expected
    total = sum(len(log.added) for log in opened)
    per_row = max(sum(1 for _, step in expected if step == row) for row in range(10))
    assert total <= len(expected) + per_row * len(restarts), "only the row that was not whole is written again"


def test_tensorboard_forgets_rounds_that_were_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.aggregator.showing.tensorboard.EventFile", FakeWriter)
    opened.clear()
    run = a_run(9)
    Scalars(tmp_path).write(history_rows(run), len(run))
    undone = (*run[:4], result(40))
    Scalars(tmp_path).write(history_rows(undone), len(undone))
    assert opened[1].purged == 5

"""Splits side by side give what they give one after another, and one that is lost takes no other with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cli.fit import _unfinished
from wardround.engine.cli.main import app
from wardround.engine.cli.options import require_own_devices, require_parallel
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.cohort import Folds
from wardround.engine.experiments import side_by_side
from wardround.engine.experiments.conducting import conduct
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.order import Order
from wardround.engine.experiments.side_by_side import SideBySide, UnfinishedError
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.study import load_study

NORMALIZED: list[Any] = [{"cohort_normalize": {"within": "all"}}]
SHORT: dict[str, Any] = {"loss": "dice_ce", "batch_size": 4, "steps": 1}
TWO_FOLDS: dict[str, Any] = {"outer_folds": 2, "inner_folds": 2, "metrics": ["dice"], "select": "dice"}
TIMED = ("history.jsonl", "history.csv", "tensorboard", "report.html", ".lock", "curves.png")
"""What tells seconds, or is made of it, in a run's folder."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of two folds, whose preprocessing is fitted to each of them, and its cohort."""
    folder = tmp_path_factory.mktemp("side-by-side")
    write_study(folder / "study.yaml", flat_study(training=SHORT, validation=TWO_FOLDS, preprocessing=NORMALIZED))
    flat_cohort(folder / "data")
    return folder


def _words(place: Path, out: Path, *more: str) -> list[str]:
    study, manifest = str(place / "study.yaml"), str(place / "data" / "data.csv")
    return ["fit", study, "--manifest", manifest, "--out", str(out), "--device", "cpu", "--folds", "all", *more]


def _lasting(out: Path) -> dict[str, bytes]:
    """By name every file of a run's splits and its leaderboard, save what tells seconds."""
    paths = [*out.glob("fold-*/**/*"), out / "leaderboard.csv", out / "sets.json"]
    lasting = [path for path in paths if path.is_file() and not set(TIMED) & set(path.relative_to(out).parts)]
    return {str(path.relative_to(out)): path.read_bytes() for path in lasting}


def test_side_by_side_is_one_after_another_byte_for_byte(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, table = load_study(place / "study.yaml"), place / "data" / "data.csv"
    order = Order(study, place / "study.yaml", table, tmp_path / "one", folds=Folds.ALL, device="cpu", threads=1)
    conduct(order, _NoPages())
    capsys.readouterr()
    assert run(app, _words(place, tmp_path / "two", "--threads", "2", "--parallel", "2")) == ExitCode.OK
    told = capsys.readouterr()
    assert "2 splits at a time, 1 CPU threads each" in told.err
    first, second = _lasting(tmp_path / "one"), _lasting(tmp_path / "two")
    assert first.keys() == second.keys()
    assert {"fold-0/model/model.safetensors", "fold-1/model/metrics.json", "fold-1/run.json"} <= first.keys()
    assert [name for name in first if first[name] != second[name]] == []
    for fold in ("fold-0", "fold-1"):
        one, two = ([*_untimed(tmp_path / each / fold / "history.jsonl")] for each in ("one", "two"))
        assert one == two
        assert (tmp_path / "two" / fold / "report.html").exists()
        assert f"{fold} is finished" in (tmp_path / "two" / f"{fold}.log").read_text()
    assert run(app, _words(place, tmp_path / "two", "--threads", "2", "--parallel", "2")) == ExitCode.OK
    assert "splits at a time" not in capsys.readouterr().err


class _NoPages:
    """Nothing is written for people."""

    def require_own(self, out: Path) -> None:
        """Nothing is there."""

    def of_run(self, workbench: Workbench, result: RunResult, name: str) -> Path:
        """Of one split."""
        return result.folder

    def of_splits(self, workbench: Workbench, board: Leaderboard, out: Path) -> Path:
        """Of all of them."""
        return out


def _untimed(history: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def _acting(monkeypatch: pytest.MonkeyPatch, folder: Path, **acts: str) -> None:
    """Let every split's process do something else: lines of Python by the split's name."""
    program = folder / "program.py"
    names = {name.replace("_", "-"): act for name, act in acts.items()}
    program.write_text(
        "import json, os, signal, sys, time\n"
        "order = json.loads(sys.stdin.readline())\n"
        f"open({str(folder)!r} + '/' + order['name'] + '.started', 'w').write(str(order['order']['threads']))\n"
        f"exec({names!r}[order['name']])\n"
    )
    command = (sys.executable, str(program))
    init = SideBySide.__init__
    monkeypatch.setattr(SideBySide, "__init__", lambda self, count, _: init(self, count, command))


TOLD = "print(json.dumps({'problems': [{'what': 'the loss is not finite', 'where': 'step 3'}]}), flush=True)\n"


@pytest.mark.parametrize(
    ("acts", "code", "said"),
    [
        (
            ("os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(0.2)\nsys.exit(130)"),
            ExitCode.INCOMPLETE,
            ("signal SIGKILL", "exit code 130"),
        ),
        (
            (TOLD + "sys.exit(2)", "print('no news', flush=True)\nsys.exit(3)"),
            ExitCode.BAD_INPUT,
            ("fold-0, step 3: the loss is not finite", "exit code 3"),
        ),
    ],
)
def test_a_split_that_is_lost_is_told_and_the_others_are_begun_all_the_same(
    acts: tuple[str, str],
    code: int,
    said: tuple[str, str],
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _acting(monkeypatch, tmp_path, fold_0=acts[0], fold_1=acts[1])
    assert run(app, _words(place, tmp_path / "run", "--work", str(place), "--threads", "2", "--parallel", "2")) == code
    told = capsys.readouterr().err
    assert all(words in told for words in said)
    assert "fold-1: the process that trained this split ended before it was finished" in told
    assert (tmp_path / "fold-1.started").read_text() == "1"
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({-9, 3}, ExitCode.INCOMPLETE), ({-9, 75}, ExitCode.MACHINE), ({2, 75}, ExitCode.BAD_INPUT), ({1, 2, -9}, 1)],
)
def test_the_exit_code_is_the_gravest(codes: set[int], expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, _unfinished(as_json=True):
        raise UnfinishedError([Problem("lost", where="fold-0")], frozenset(codes))
    assert ended.value.exit_code == expected
    assert json.loads(capsys.readouterr().out)["problems"][0]["where"] == "fold-0"


def test_a_signal_reaches_every_process_once_and_none_is_left(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = (
        "def halt(*_):\n    open(sys.argv[0] + order['name'], 'a').write('x')\n    sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, halt)\nprint(json.dumps({'note': 'ready'}), flush=True)\ntime.sleep(60)"
    )
    _acting(monkeypatch, tmp_path, fold_0=waiting, fold_1=waiting)
    ready = side_by_side._Display.tell
    seen = set[str]()

    def tell(self: Any, name: str, news: Any) -> None:
        ready(self, name, news)
        seen.add(name)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(side_by_side._Display, "tell", tell)
    words = _words(place, tmp_path / "run", "--work", str(place), "--threads", "2", "--parallel", "2")
    assert run(app, words) == ExitCode.INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
    for fold in ("fold-0", "fold-1"):
        assert (tmp_path / f"program.py{fold}").read_text() == "x"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--folds", "1", "--parallel", "2"], "a single fold is trained in one process"),
        (["--parallel", "3"], "1 to 2, so that each has a CPU thread"),
        (["--parallel", "0"], "1 to 2"),
    ],
)
def test_numbers_of_processes_that_make_no_sense_write_nothing(
    more: list[str], expected: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, _words(place, tmp_path / "run", "--threads", "2", *more)) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "--parallel: so many folds cannot be trained at the same time" in told
    assert expected in told
    assert not (tmp_path / "run").exists()


def test_a_team_trains_one_split_at_a_time() -> None:
    require_parallel(1, "all", 2, 2)
    with pytest.raises(InputError, match=r"--parallel: processes that train one fold together .* under `torchrun`"):
        require_parallel(2, "all", 2, 2)
    require_own_devices("cuda:1", 1)
    with pytest.raises(InputError, match=r"--device: each process .* \(got cuda:1 for 2 processes"):
        require_own_devices("cuda:1", 2)


def test_accelerators_are_taken_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side.torch.cuda, "device_count", lambda: 2)
    assert side_by_side._devices("auto", 3) == ["cuda:0", "cuda:1", "cuda:0"]
    assert side_by_side._devices("cuda:1", 2) == ["cuda:1", "cuda:1"]
    assert side_by_side._devices("cpu", 2) == ["cpu", "cpu"]


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["child", "all"])
def test_killed_processes_go_on_to_the_same_bytes(whom: str, place: Path, tmp_path: Path) -> None:
    """One fold's process alone is killed, or the command is, which all of them follow."""
    words = (*("--threads", "2"), *("--parallel", "2"), *("--steps", "40"))
    expected, again = _words(place, tmp_path / "one", *words), _words(place, tmp_path / "two", *words)
    assert run(app, expected) == ExitCode.OK
    program = "import sys; from wardround.engine.cli.main import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", program, *again], stderr=subprocess.PIPE)
    lock = tmp_path / "two" / "fold-0" / ".lock"
    while process.poll() is None and not (lock.exists() and lock.read_text()):
        time.sleep(0.01)
    child = int(lock.read_text())
    os.kill(child if whom == "child" else process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == (ExitCode.INCOMPLETE if whom == "child" else -signal.SIGKILL)
    if whom == "all":
        _wait_for_the_end_of(child)
    assert run(app, again) == ExitCode.OK
    assert _lasting(tmp_path / "one") == _lasting(tmp_path / "two")


def _wait_for_the_end_of(number: int) -> None:
    gone = threading.Event()
    for _ in range(600):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        gone.wait(0.1)
    pytest.fail("the process of a split outlives the command")

"""Splits of a run side by side: each trained in a process of its own, with its own log, and one display for all.

The processes share nothing but the store and the record of who is in which set, which are whole before the first of
them begins. So each makes what it would make alone, and one that is killed takes nothing with it but its last minute.
"""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue

import torch

from wardround.engine.basics.children import child_environment, thread_limits
from wardround.engine.basics.loudness import is_verbose, note
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.progress import Progress, progress
from wardround.engine.basics.signals import halting
from wardround.engine.cohort import NamedSplit
from wardround.engine.experiments.fit import finished_run
from wardround.engine.experiments.folds import benches_of
from wardround.engine.experiments.news import News
from wardround.engine.experiments.order import Order, SplitOrder
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.sampling.order import samples_per_epoch
from wardround.engine.training import configure_threads

_LOOK_SECONDS = 0.2
"""How often somebody looks whether a signal has come."""
_PATIENCE_SECONDS = 60.0
"""For a process that was told to stop: it ends its step and writes a checkpoint."""


@dataclass(frozen=True)
class SideBySide:
    """How many splits are trained at the same time.

    Attributes:
        count: processes at a time; 1 for none, one split after another.
        command: the program that trains one split: it is given a `SplitOrder` as the first line of its standard input,
            which ends when nobody waits for it any more, and tells `News` on its standard output.
    """

    count: int
    command: tuple[str, ...]


ONE_BY_ONE = SideBySide(1, ())


class UnfinishedError(InputError):
    """Splits ended before their training was finished, while the others went on to their end.

    Attributes:
        codes: the exit codes of their processes, negative for a signal.
    """

    def __init__(self, problems: Sequence[Problem], codes: frozenset[int]) -> None:
        super().__init__(problems)
        self.codes = codes


def log_of(out: Path, name: str) -> Path:
    """Where the process of a split says what it would have said on the terminal."""
    return out / f"{name}.log"


def fit_side_by_side(
    order: Order, beside: SideBySide, workbench: Workbench, splits: Sequence[NamedSplit]
) -> frozenset[str]:
    """Train the splits that are not finished, at most `beside.count` at a time, and write their pages; returns their
    names.

    Threads and memory are divided by that count. With several accelerators the processes take them by turns.

    Raises:
        InputError: a split's preprocessing cannot be fitted, or its folder holds another run; nothing was begun.
        UnfinishedError: with every split that could not be finished.
        KeyboardInterrupt: a signal came, and every process has written a checkpoint and ended.
    """
    benches = benches_of(workbench, splits)
    open_splits = {name: bench for name, bench in benches.items() if finished_run(bench, order.out / name) is None}
    if not open_splits:
        return frozenset()
    together = min(beside.count, len(splits))
    shared = replace(order, threads=max(1, configure_threads(order.threads) // together))
    note(f"{together} splits at a time, {shared.threads} CPU threads each; logs: {log_of(order.out, 'NAME')}")
    steps = {name: _steps(bench) for name, bench in open_splits.items()}
    with progress(f"Training {len(steps)} splits", sum(steps.values())) as shown:
        crew = _Crew(shared, beside.command, together, _Display(shown))
        codes = crew.work(list(steps))
    failed = {name: code for name, code in codes.items() if not _is_done(code, open_splits[name], order.out / name)}
    if failed:
        raise UnfinishedError(_problems(crew, failed, order.out), frozenset(failed.values()))
    return frozenset(name for name, code in codes.items() if code == 0)


def _is_done(code: int, bench: Workbench, folder: Path) -> bool:
    """Whether a split is trained; one whose page alone could not be made is."""
    return code == 0 or finished_run(bench, folder) is not None


def _problems(crew: _Crew, failed: Mapping[str, int], out: Path) -> list[Problem]:
    found: list[Problem] = []
    for name, code in failed.items():
        told = crew.problems.get(name, ())
        found += [replace(each, where=f"{name}, {each.where}" if each.where else name) for each in told]
        if not told:
            found.append(_ended(name, code, log_of(out, name)))
    return found


def _ended(name: str, code: int, log: Path) -> Problem:
    return Problem(
        "the process that trained this split ended before it was finished",
        where=name,
        got=f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}",
        remedy=f"What it said is in {log}. The other splits were trained to their end; the same command goes on where "
        "this one was. The system kills processes where memory is used up: fewer at a time need less",
    )


def _steps(bench: Workbench) -> int:
    """The steps of a split's run, without preparing its cases."""
    training = bench.study.training
    if training.steps is not None:
        return training.steps
    targets = [bench.unfitted[case.subject].target for case in bench.split.train]
    return training.epochs * math.ceil(samples_per_epoch(bench.study, targets) / training.samples_per_step)


class _Display:
    """One line or bar for all splits: the sum of their steps, and where each of them is."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._done: dict[str, int] = {}
        self._notes: dict[str, str] = {}

    def tell(self, name: str, news: News) -> None:
        """Show what the process of a split tells."""
        self._done[name] = news.done
        self._notes[name] = f"{name}: {news.done} {news.note}".rstrip()
        self._shown.advance(sum(self._done.values()), ", ".join(self._notes.values()))

    def forget(self, name: str) -> None:
        """A split's process has ended; its steps still count."""
        self._notes.pop(name, None)


@dataclass
class _Crew:
    """The processes, at most `together` at a time, and what they have told."""

    order: Order
    command: Sequence[str]
    together: int
    display: _Display
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}
        self._devices = _devices(self.order.device, self.together)
        self._said: SimpleQueue[tuple[str, News | None]] = SimpleQueue()
        self._codes: dict[str, int] = {}

    def work(self, names: list[str]) -> dict[str, int]:
        """Train the splits of these names; the exit code of each process.

        Raises `KeyboardInterrupt` after a signal, once all have ended; a second one kills what does not end.
        """
        with halting() as halt, self._none_left_behind():
            while names or self._running:
                while names and len(self._running) < self.together:
                    self._start(names.pop(0))
                if halt():
                    self._stop()
                    break
                self._listen()
        return self._codes

    def _start(self, name: str) -> None:
        device = self._devices.pop(0)
        order = SplitOrder(replace(self.order, device=device), name, self.together, is_verbose())
        limits = thread_limits(self.order.threads or 1)
        with log_of(self.order.out, name).open("ab") as log:
            process = subprocess.Popen(
                self.command,
                env={**child_environment(), **limits},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            )
        self._running[name] = process, device
        threading.Thread(target=self._hear, args=(name, process), daemon=True).start()
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and its exit code tells
            if process.stdin is not None:
                process.stdin.write(order.to_json() + b"\n")
                process.stdin.flush()

    def _hear(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Pass on what a process tells, in a thread of its own."""
        try:
            for line in process.stdout or ():
                # What a library prints is no news, and the process must not wait for somebody to read it.
                with contextlib.suppress(ValueError):
                    self._said.put((name, News.from_json(line)))
        finally:
            self._said.put((name, None))

    def _listen(self) -> None:
        with contextlib.suppress(Empty):
            name, news = self._said.get(timeout=_LOOK_SECONDS)
            if news is None:
                self._end(name)
            elif news.problems:
                self.problems[name] = news.problems
            else:
                self.display.tell(name, news)

    def _end(self, name: str) -> None:
        process, device = self._running.pop(name)
        self._devices.append(device)
        self._codes[name] = process.wait()
        self.display.forget(name)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _stop(self) -> None:
        """Ask every process to write a checkpoint and end, and wait for it."""
        note("stopping: each split writes a checkpoint")
        for process, _ in self._running.values():
            process.terminate()
        for process, _ in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)

    @contextlib.contextmanager
    def _none_left_behind(self) -> Iterator[None]:
        try:
            yield
        finally:
            for process, _ in self._running.values():
                process.kill()
                process.wait()


def _devices(name: str, count: int) -> list[str]:
    """The device of each of `count` processes: where it is not said which accelerator, all of them by turns."""
    found = torch.cuda.device_count()
    if name not in ("auto", "cuda") or found < 2:
        return [name] * count
    return [f"cuda:{place % found}" for place in range(count)]

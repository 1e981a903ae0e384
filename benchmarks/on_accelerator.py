"""What can only be seen on an accelerator: speed, waiting, numbers and memory of the training loop on a CUDA device.

    python -m benchmarks.on_accelerator --device cuda:0 --steps 40

Each check prints what it measured. The exit code is 0 when all hold, 1 when one does not, and 3 when there is no such
device: then nothing was measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.loop_efficiency import STUDY, stored_cases
from wardround.engine.basics.problems import InputError
from wardround.engine.networks.precision import Precision
from wardround.engine.sampling import PatchSource
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study, load_study
from wardround.engine.training import Learner, StepRecord, resolve_device, this_machine
from wardround.engine.training.precision import reproducible

HORIZON = 10**6
NOTHING_MEASURED = 3
_LEAST_SPEED = 0.8
"""Of a bare loop's steps a second."""
_PARITY = 1e-4
"""How far probabilities may be from the CPU's: less than TF32's rounding through a network."""
_DRIFT = 1e-2
"""How far the mean loss of a few steps may be from the CPU's, as a share of it."""
_cuda: Any = torch.cuda


@dataclass(frozen=True)
class Ground:
    """On what is measured."""

    device: torch.device
    study: Study
    cases: Sequence[StoredCase]
    steps: int

    def learner(self, precision: Precision = "fp32", device: torch.device | None = None) -> Learner:
        """A fresh one."""
        return Learner.create(self.study, HORIZON, device=str(device or self.device), precision=precision)

    def source(self) -> PatchSource:
        """The patches of the cases."""
        return PatchSource(self.study, self.cases)

    def seconds(self, work: Callable[[], object]) -> float:
        """Of some work, the device's part included."""
        _cuda.synchronize(self.device)
        began = time.perf_counter()
        work()
        _cuda.synchronize(self.device)
        return time.perf_counter() - began


@dataclass(frozen=True)
class Finding:
    """Whether a check holds, and what it measured."""

    holds: bool
    said: str


def speed(ground: Ground) -> Finding:
    """Steps a second of the whole loop, against forward, backward and optimiser alone on batches that lie there.

    Both with deterministic kernels and plain fp32.
    """
    learner, source, steps = ground.learner(), ground.source(), ground.steps
    learner.train(source, 0, steps)
    whole = ground.seconds(lambda: learner.train(source, steps, 2 * steps))
    plain = _bare(ground)
    plain()
    bare = ground.seconds(plain)
    return Finding(bare / whole >= _LEAST_SPEED, f"{bare / whole:.2f} of the bare loop's steps a second")


def _bare(ground: Ground) -> Callable[[], None]:
    learner, source, device = ground.learner(), ground.source(), ground.device
    network = learner.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    read = [source.batch(step) for step in range(4)]
    batches = [
        (batch.image.to(device), {name: truth.to(device).long() for name, truth in batch.truth.items()}, batch)
        for batch in read
    ]

    def run() -> None:
        with reproducible(device):
            for step in range(ground.steps):
                image, truth, batch = batches[step % len(batches)]
                optimizer.zero_grad(set_to_none=True)
                there = type(batch)(batch.keys, image, truth)
                torch.autograd.backward(learner.task.losses(network(image), there).mean())
                optimizer.step()

    return run


def overlap(ground: Ground) -> Finding:
    """The share of the time that steps waited for their batch: reading, copying and augmenting go on beside them."""
    learner, records = ground.learner(), list[StepRecord]()
    learner.train(ground.source(), 0, ground.steps)
    took = ground.seconds(
        lambda: learner.train(ground.source(), ground.steps, 2 * ground.steps, on_step=records.append)
    )
    share = sum(record.waited for record in records) / took
    return Finding(share < 0.2, f"{share:.0%} of the time spent waiting for batches")


def waiting(ground: Ground) -> Finding:
    """How often the loop made itself wait for the device: not more often in three times as many steps."""
    learner, source = ground.learner(), ground.source()
    learner.train(source, 0, ground.steps)
    few, many = (_waits(learner, source, ground.steps, steps) for steps in (ground.steps, 3 * ground.steps))
    return Finding(few == many, f"{few} waits in {ground.steps} steps, {many} in {3 * ground.steps}")


def _waits(learner: Learner, source: PatchSource, start: int, steps: int) -> int:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        _cuda.set_sync_debug_mode("warn")
        try:
            learner.train(source, start, start + steps)
        finally:
            _cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in seen)


def parity(ground: Ground) -> Finding:
    """fp32 on the device is fp32: the same network's probabilities, and the losses of a few steps, are the CPU's.

    Not weights: an adaptive optimiser moves by whole steps where a gradient is nothing but rounding.
    """
    training = ground.study.training.model_copy(update={"precision": "fp32"})
    study = ground.study.model_copy(update={"augmentation": (), "training": training})
    plain, case = Ground(ground.device, study, ground.cases, 3), ground.cases[0]
    here, there = plain.learner(device=torch.device("cpu")), plain.learner()
    ours, theirs = (each.task.predict(each.network, case, each.device).values for each in (here, there))
    apart = float(abs(ours - theirs).max())
    near, far = (each.train(plain.source(), 0, plain.steps) for each in (here, there))
    drift = abs(far / near - 1)
    holds = apart <= _PARITY and drift <= _DRIFT
    return Finding(holds, f"probabilities at most {apart:.1e} apart, mean loss of {plain.steps} steps {drift:.1e}")


def freed(ground: Ground) -> Finding:
    """Five learners, one after the other, need the memory of one."""
    peaks = []
    for _ in range(5):
        _cuda.reset_peak_memory_stats(ground.device)
        ground.learner().train(ground.source(), 0, 2)
        peaks.append(_cuda.max_memory_allocated(ground.device) / 1e6)
    return Finding(peaks[-1] <= 1.1 * peaks[0], f"peak {peaks[0]:.0f} MB with the first, {peaks[-1]:.0f} MB the last")


def half(ground: Ground) -> Finding:
    """Training in bf16 comes to finite weights (a loss that is not finite is an error)."""
    loss = ground.learner("bf16").train(ground.source(), 0, ground.steps)
    return Finding(True, f"mean loss {loss:.3f}")


def inference(ground: Ground) -> Finding:
    """The volume's probabilities stay off the device: a case four times as large needs no more of its memory."""
    learner, case = ground.learner(), ground.cases[0]
    peaks = []
    for times in (2, 8):
        _cuda.reset_peak_memory_stats(ground.device)
        learner.task.predict(learner.network, _longer(case, times), ground.device)
        peaks.append(_cuda.max_memory_allocated(ground.device) / 1e6)
    return Finding(
        peaks[1] <= 1.05 * peaks[0], f"peak {peaks[0]:.0f} MB for a case, {peaks[1]:.0f} MB for four times it"
    )


def _longer(case: StoredCase, times: int) -> StoredCase:
    import dataclasses

    import numpy as np

    first, *others = case.geometry.shape
    geometry = dataclasses.replace(case.geometry, shape=(first * times, *others))
    return dataclasses.replace(case, image=np.concatenate([case.image] * times, axis=1), geometry=geometry)


CHECKS: Sequence[Callable[[Ground], Finding]] = (speed, overlap, waiting, parity, freed, half, inference)


def measure(ground: Ground) -> int:
    """Run and print every check; how many do not hold."""
    failed = 0
    for check in CHECKS:
        try:
            found = check(ground)
        except (RuntimeError, InputError) as error:
            found = Finding(False, f"{type(error).__name__}: {error}")
        failed += not found.holds
        print(f"{'ok  ' if found.holds else 'FAIL'} {check.__name__:<10} {found.said}", flush=True)
    return failed


def accelerator(name: str) -> torch.device | None:
    """The CUDA device of that name, if there is one."""
    try:
        return resolve_device(name)
    except InputError:
        return None


def main() -> int:
    """Measure, or say that there is nothing to measure on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N")
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    device = accelerator(arguments.device)
    if device is None or device.type != "cuda":
        told = f"there is no accelerator called {arguments.device!r} here: nothing was measured"
        print(f"error: {told} (torch {torch.__version__} sees {_cuda.device_count()} CUDA devices)", file=sys.stderr)
        return NOTHING_MEASURED
    machine = this_machine(device, "fp32")
    print(f"{machine.device}, torch {machine.torch}, {machine.threads} threads")
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        cases = stored_cases(Path(folder), 8)
        return int(measure(Ground(device, load_study(STUDY), cases, arguments.steps)) > 0)


if __name__ == "__main__":
    sys.exit(main())

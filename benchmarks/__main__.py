"""Run the measurements that need nothing but this package, one after the other: `make bench`, or some by name:

    python -m benchmarks start_up patch_supply

A goal that is missed stops nothing: all are run, those that were missed are told at the end, and the exit code is 1.

`real_images` needs a folder of images and hours: `python -m benchmarks.real_images --help`; `against_gandlf` needs an
environment with GaNDLF, and `gpu` is for an accelerator.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.goals import MISSED

MEASUREMENTS = (
    "start_up",
    "loop_efficiency",
    "patch_supply",
    "augmentation",
    "round_overhead",
    "transfer",
    "dense_inference",
)


def main() -> int:
    """Run what was named, or everything, and say what was missed; 1 where anything was, 2 for an unknown name."""
    names = sys.argv[1:] or MEASUREMENTS
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"error: unknown measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    missed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        missed.extend(f"{name}: {told}" for told in measured([sys.executable, "-m", f"benchmarks.{name}"]))
    print(f"== {len(missed)} missed" if missed else "== every goal was reached")
    for line in missed:
        print(line)
    return 1 if missed else 0


def measured(words: Sequence[str]) -> list[str]:
    """Run a measurement, passing on what it prints; what it missed, or that it ended with another code."""
    missed = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(MISSED):
                missed.append(line.removeprefix(MISSED).rstrip())
    if process.returncode and not missed:
        missed.append(f"it ended with exit code {process.returncode}")
    return missed


if __name__ == "__main__":
    sys.exit(main())

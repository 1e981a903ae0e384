"""How many small faults do the tests notice? Reports one line a fault, and the room's score.

    python -m benchmarks.mutations store --sample 60 --seed 1 --out build/mutations
    python -m benchmarks.mutations store --again build/mutations/store.jsonl --out build/after

The first draws a sample of all faults and runs on each the room's fast tests that name the module or something of it.
A fault is killed if a test fails that passes without it. The second runs those again that survived, known by their
text, in the present code. Only what is committed counts. `nice` keeps the machine usable.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.mutations.mutants import Mutant, mutants_of, sample
from benchmarks.mutations.rooms import ROOMS, Room
from benchmarks.mutations.running import Fate, Outcome, changed, copy_checkout, preload, run_tests

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    room = next(room for room in ROOMS if room.name == asked.room)
    out = Path(asked.out).resolve()
    root = copy_checkout(CHECKOUT, out / f"{room.name}-copy")
    every = mutants_of(root, room.modules)
    chosen = _survivors(every, Path(asked.again)) if asked.again else sample(every, asked.sample, asked.seed)
    preload()
    print(f"{room.name}: {len(chosen)} of {len(every)} faults", flush=True)
    counts: Counter[Fate] = Counter()
    with (out / f"{room.name}.jsonl").open("w") as report:
        for mutant, outcome in _outcomes(root, room, chosen, asked.most):
            counts[outcome.fate] += 1
            print(f"{outcome.fate:<8} {outcome.seconds:5.0f} s  {mutant.name}", flush=True)
            report.write(json.dumps(_line(mutant, outcome)) + "\n")
            report.flush()
    print(f"{room.name}: " + ", ".join(f"{counts[fate]} {fate}" for fate in Fate))
    return 0


def _outcomes(root: Path, room: Room, chosen: list[Mutant], most: float) -> Iterator[tuple[Mutant, Outcome]]:
    for mutant in chosen:
        tests = room.tests_of(root, mutant.module)
        with changed(root / mutant.module, mutant.source()):
            outcome = run_tests(root, tests, most)
        if outcome.fate is Fate.KILLED and run_tests(root, [outcome.test] if outcome.test else tests, most).failed:
            raise SystemExit(f"error: this fails without a fault too: {outcome.test or tests}")
        yield mutant, outcome


def _survivors(every: list[Mutant], report: Path) -> list[Mutant]:
    """The faults of an earlier report that survived. Lines may have moved, so they are known by their texts."""
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    wanted = {(line["module"], line["before"], line["after"]) for line in lines if line["fate"] != Fate.KILLED}
    return [mutant for mutant in every if (mutant.module, mutant.before, mutant.after) in wanted]


def _line(mutant: Mutant, outcome: Outcome) -> dict[str, object]:
    return {
        "module": mutant.module,
        "line": mutant.line,
        "before": mutant.before,
        "after": mutant.after,
        "fate": outcome.fate,
        "test": outcome.test,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("room", choices=[room.name for room in ROOMS])
    parser.add_argument("--sample", type=int, default=60, help="how many faults")
    parser.add_argument("--seed", type=int, default=1, help="which sample")
    parser.add_argument("--most", type=float, default=600.0, help="seconds for the tests of one fault")
    parser.add_argument("--again", help="an earlier report, whose survivors alone are run")
    parser.add_argument("--out", default="build/mutations", help="the folder of the report and of the copy")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

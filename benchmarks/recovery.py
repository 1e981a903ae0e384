"""How long a federation takes to go on after a fault: real processes over TLS, read from their own event logs.

    python -m benchmarks.recovery [--runs 3] [--cut 90] [--json recovery.json]

Each run is a federation of three sites, all required, on this machine. One thing happens to it:

- the worker of a site is killed (SIGKILL) while it trains: seconds until it has saved a checkpoint of new steps;
- the courier of a site is killed with a question that it has not answered: seconds until the reply is stored;
- the aggregator is killed in the middle of a round, and started again at once: seconds until all sites are back;
- a site's link is cut while it trains, and heals: seconds from healing until the aggregator has stored its reply.

Every run must end with the same weights. The table shows the median and the longest time beside the goal.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.end_to_end.federation import AGGREGATOR, Federation, Party, Template, courier, worker
from wardround.aggregator.journal import Event as Journal
from wardround.engine.basics.files import write_atomic
from wardround.site_client.events import Event


@dataclass(frozen=True)
class Recovery:
    """Seconds of each run after one kind of fault, and the goal."""

    fault: str
    until: str
    goal: float | None
    seconds: tuple[float, ...]

    @property
    def row(self) -> str:
        """A line of the table."""
        goal = "" if self.goal is None else f"{self.goal:.0f}"
        median, longest = statistics.median(self.seconds), max(self.seconds)
        return f"| {self.fault} | {self.until} | {len(self.seconds)} | {median:.1f} | {longest:.1f} | {goal} |"


def main() -> int:
    """Measure, print the table; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each kill")
    parser.add_argument("--cut", type=float, default=90.0, help="seconds for which the link is cut")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wardround-recovery-") as folder:
        found = measure_all(Path(folder), words.runs, words.cut)
    print("| fault | until | runs | median s | longest s | goal s |\n|---|---|---:|---:|---:|---:|")
    print("\n".join(recovery.row for recovery in found))
    if words.json:
        write_atomic(words.json, (json.dumps([asdict(recovery) for recovery in found], indent=2) + "\n").encode())
    return int(any(recovery.goal is not None and max(recovery.seconds) > recovery.goal for recovery in found))


def measure_all(folder: Path, runs: int, cut: float) -> tuple[Recovery, ...]:
    """Every fault in federations of their own under `folder`. Raises AssertionError when weights differ."""
    template = Template.prepare(folder / "template")
    weights: set[str] = set()

    def seconds(name: str, disturb: Callable[[Federation], float], count: int) -> tuple[float, ...]:
        measured = []
        for number in range(count):
            with template.copy(folder / f"{name}-{number}") as federation:
                measured.append(disturb(federation))
                weights.add(federation.finish())
            print(f"{name}: {measured[-1]:.1f} s", file=sys.stderr, flush=True)
        return tuple(measured)

    found = (
        Recovery("worker killed", "checkpoint of new steps", 10.0, seconds("worker", kill_worker, runs)),
        Recovery("courier killed", "reply stored", 75.0, seconds("courier", kill_courier, runs)),
        Recovery("aggregator killed", "all sites back", None, seconds("aggregator", kill_aggregator, runs)),
        Recovery(f"link cut for {cut:.0f} s", "reply stored", 15.0, seconds("cut", lambda run: cut_link(run, cut), 1)),
    )
    assert len(weights) == 1, "faults have changed the weights"
    return found


def kill_worker(federation: Federation) -> float:
    """Kill a worker at its third checkpoint."""
    victim = worker("north")
    federation.start()
    federation.wait_until(lambda: len(federation.said(victim, Event.CHECKPOINT_SAVED)) >= 3, "it trains")
    return _recovery(federation, victim, victim, Event.CHECKPOINT_SAVED)


def kill_courier(federation: Federation) -> float:
    """Kill a courier that has pulled a task, while the worker trains."""
    federation.start()
    federation.wait_for(worker("north"), Event.CHECKPOINT_SAVED)
    seconds = _recovery(federation, courier("north"), AGGREGATOR, Journal.REPLY_STORED, "north")
    if len(federation.said(courier("north"), Event.STARTED)) < 2:
        raise RuntimeError("the reply was sent before the courier could be killed")
    return seconds


def kill_aggregator(federation: Federation) -> float:
    """Kill the aggregator when it has stored the first reply, and start it again."""
    federation.start()
    federation.wait_for(AGGREGATOR, Journal.REPLY_STORED)
    killed = time.time()
    federation.kill(AGGREGATOR)
    return max(_first_after(federation, AGGREGATOR, Journal.SITE_ONLINE, killed, site) for site in federation.names)


def cut_link(federation: Federation, seconds: float) -> float:
    """Cut the link of a site that has got its task; it finishes its work meanwhile."""
    with federation.behind_proxy(["north"]) as proxy:
        federation.start()
        federation.wait_for(courier("north"), Event.TASK_PULLED)
        proxy.cut()
        time.sleep(seconds)
        healed = time.time()
        proxy.heal()
        recovered = _first_after(federation, AGGREGATOR, Journal.REPLY_STORED, healed, "north")
        federation.finish()
        return recovered


def _recovery(federation: Federation, victim: Party, witness: Party, event: str, site: str | None = None) -> float:
    killed = time.time()
    if not federation.kill(victim):
        raise RuntimeError(f"{victim} was not running")
    return _first_after(federation, witness, event, killed, site)


def _first_after(federation: Federation, party: Party, event: str, moment: float, site: str | None = None) -> float:
    """Seconds from `moment` to the first such event after it."""
    facts = {} if site is None else {"site": site}

    def later() -> Sequence[float]:
        times = [
            datetime.datetime.fromisoformat(line.time).timestamp() for line in federation.said(party, event, **facts)
        ]
        return [when - moment for when in times if when > moment]

    federation.wait_until(lambda: bool(later()), f"{party}: {event} after the fault")
    return later()[0]


if __name__ == "__main__":
    sys.exit(main())

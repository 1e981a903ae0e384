"""What a line costs that is cut, and what an aggregator's memory costs by the number of sites.

Bytes: a model of twenty pieces crosses a real link (TLS) that is cut after every so many bytes; all bytes on the wire
are counted, in both directions. Memory: an aggregator's round (send, receive, check, store, fold) in a process of its
own, with couriers in another; its private memory and the pages of files that are mapped, which the system takes back
when it needs them.

A model of 1 GB over a line that drops is `python -m benchmarks.dropping`.

Run `python -m benchmarks.transfer`; `--megabytes 50 --sites 2 5 10` is what it does by itself, in about three minutes.
"""

from __future__ import annotations

import argparse
import mmap
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.watching import MemoryWatch
from tests.aggregator.bench import Bench, Silence
from tests.aggregator.fakes import FakeSite, seeded_keys
from tests.federation.flower.world import World, question
from tests.support.certificates import CertificateFiles, write_certificates
from tests.support.cutting import CuttingProxy
from wardround.aggregator.journal import Journal
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.switchboard import Switchboard, SystemClock
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import Link, TlsFiles
from wardround.federation.flower.node.node import serve
from wardround.federation.flower.shelf import Shelf
from wardround.federation.payload import payload_digest, unpack
from wardround.federation.protocol import Done, Task

CHUNK = 512 * 1024
PIECES = 20
TENSORS = 20


@dataclass(frozen=True)
class Memory:
    """Of an aggregator, in MB: private before the round, and the most in it; mapped pages of files, the most."""

    sites: int
    before: float
    private: float
    mapped: float
    seconds: float

    def row(self, megabytes: int) -> str:
        """One line of the report."""
        grown = (self.private - self.before) / megabytes
        return (
            f"{self.sites:>5} sites: private {self.before:6.0f} -> {self.private:6.0f} MB ({grown:4.1f} models), "
            f"mapped {self.mapped:6.0f} MB, {self.seconds:5.1f} s"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--sites", type=int, nargs="+", default=[2, 5, 10])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for direction in ("pull", "push"):
            for pieces in (3.6, 5.5, 11.0):
                print(wire(Path(folder) / f"{direction}-{pieces}", direction, pieces), flush=True)
        found = []
        for count in options.sites:
            found.append(memory(Path(folder) / f"sites-{count}", count, options.megabytes))
            print(found[-1].row(options.megabytes), flush=True)
    if len(found) > 1:
        print(outlook(found, options.megabytes))
    return 0


def outlook(found: Sequence[Memory], megabytes: int) -> str:
    """The line through the measurements, and what it says of a large federation."""
    slope, start = np.polyfit([one.sites for one in found], [one.private - one.before for one in found], 1)
    before = found[0].before
    large = before + 1000 * start / megabytes + 100 * max(0.0, slope)
    scaled = before + 1000 * (start + 100 * max(0.0, slope)) / megabytes
    return (
        f"private memory grows by {slope:.2f} MB a site; a model of 1 GB and 100 sites would need {large:,.0f} MB, "
        f"or {scaled:,.0f} MB if the growth were in proportion to the model"
    )


def wire(folder: Path, direction: str, pieces: float) -> str:
    """Bytes that cross the line until a model has arrived."""
    world, model = World.create(folder, "north"), os.urandom(PIECES * CHUNK)

    def answer(envelope: Envelope) -> Envelope:
        return Envelope(envelope.body, b"signature", b"" if direction == "pull" else model)

    with ExitStack() as stack:
        link = stack.enter_context(world.link(arriving=folder / "in"))
        proxy = stack.enter_context(CuttingProxy(link.port, every=pieces * CHUNK))
        stack.enter_context(world.courier("north", proxy.port, answer, arriving=folder / "site"))
        got = link.exchange("north", question(model if direction == "pull" else b""), 120)
        if got is None:
            raise RuntimeError("the model did not arrive")
        return (
            f"{direction}: {len(model) / 1e6:.1f} MB, cut every {pieces:.1f} pieces: "
            f"{proxy.passed / len(model):.2f} times the model in {proxy.cuts} cuts"
        )


def memory(folder: Path, sites: int, megabytes: int) -> Memory:
    """One round of an aggregator with so many sites, in a process of its own."""
    names = tuple(f"site-{place:03d}" for place in range(sites))
    files = write_certificates(folder / "tls")
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_aggregate, args=(folder, names, megabytes, files, there))
    process.start()
    DiskSite.folder = folder
    bench = Bench(folder / "unused", names, rounds=1, final=False)
    stop, plan = threading.Event(), bench.plan.digest
    disk_sites = [DiskSite(name, plan, cases=bench.sites[name].cases) for name in names]
    threads = [_courier(site, port, files, stop, folder) for port in [here.recv()] for site in disk_sites]
    try:
        found: Memory = here.recv()
    finally:
        stop.set()
        process.join(60)
        for thread in threads:
            thread.join(20)
    return found


class DiskSite(FakeSite):
    """A site whose update lies in a file, as a courier's does, so that a large model does not fill the machine."""

    folder = Path()

    def _train(self, task: Task, key: str) -> Envelope:
        with tempfile.TemporaryFile(dir=self.folder) as handle:
            handle.write(self.models[key])
            handle.flush()
            view = memoryview(mmap.mmap(handle.fileno(), 0))
        for array in unpack(view).values():
            array += np.float32(0.001)
        done = Done(
            site=self.name,
            work_key=key,
            update=payload_digest(view),
            train_cases=self.cases,
            loss=1.0,
            metrics=self._scores(task),
            seconds=1.0,
        )
        return self._seal(done, view)


def _courier(
    site: FakeSite, port: int, files: CertificateFiles, stop: threading.Event, folder: Path
) -> threading.Thread:
    words = {
        "address": f"127.0.0.1:{port}",
        "ca": files.ca.read_bytes(),
        "key": seeded_keys(site.name).transport,
        "handler": site.answer,
        "stop": stop,
        "shelf": Shelf(folder / "sites" / site.name),
    }
    thread = threading.Thread(target=serve, kwargs=words)
    thread.start()
    return thread


def _aggregate(folder: Path, names: tuple[str, ...], megabytes: int, files: CertificateFiles, pipe: Connection) -> None:
    bench = Bench(folder / "state", names, rounds=1, final=False)
    run_plan = replace(bench.loop().run_plan, initial=lambda: _model(megabytes), patience=Patience(pause=0.2))
    link = Link(
        host="127.0.0.1",
        port=0,
        tls=TlsFiles(files.ca, files.certificate, files.key),
        sites=bench.roster.transport_keys(),
        folder=folder / "arriving",
    )
    journal = Journal(bench.state.journal_path, lambda _: None)
    with link, Switchboard(link, names, SystemClock()) as board:
        loop = RoundLoop(run_plan, bench.state, board, journal, SystemClock(), Silence())
        watch = MemoryWatch()
        started, before = time.monotonic(), watch.private
        pipe.send(link.port)
        if not loop.run().complete:
            raise RuntimeError("the round was not completed")
        watch.stop()
        pipe.send(Memory(len(names), before, watch.private, watch.mapped, time.monotonic() - started))


def _model(megabytes: int) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(0)
    count = megabytes * 1_000_000 // 4 // TENSORS
    return {f"model/{place:03d}": numbers.standard_normal(count, dtype=np.float32) for place in range(TENSORS)}


if __name__ == "__main__":
    sys.exit(main())

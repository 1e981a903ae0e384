"""A large model over a line that drops every few seconds: bytes on the wire, and the most memory of either end.

Aggregator and couriers are processes of their own that speak TLS through a proxy which drops every connection when its
time has come. The aggregator sends a model from a file, as it does in a run; a courier writes what it gets to its disk,
and sends an update that it reads from a file. The model goes down to every site, or an update comes up from each.

Run `python -m benchmarks.dropping`; `--megabytes 1000 --seconds 5 --sites 1` is what it does by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.watching import MemoryWatch
from tests.federation.flower.world import World, question
from tests.support.certificates import public_pem
from tests.support.cutting import CuttingProxy
from wardround.engine.basics.files import map_file, write_atomic
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import Link, TlsFiles
from wardround.federation.flower.node.node import serve
from wardround.federation.flower.shelf import Shelf

_SPAWN = multiprocessing.get_context("spawn")
_BLOCK = 10_000_000
_LONGEST = 3600.0


@dataclass(frozen=True)
class Crossing:
    """What a process saw of a transfer: memory in MB."""

    seconds: float
    private_before: float
    private: float
    mapped: float

    def row(self) -> str:
        """For the report."""
        return f"private {self.private_before:.0f} -> {self.private:.0f} MB, mapped {self.mapped:.0f} MB"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0, help="between two drops")
    parser.add_argument("--sites", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to make temporary files: three models for each site")
    options = parser.parse_args()
    for direction in ("down", "up"):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(cross(Path(folder), direction, options.megabytes, options.seconds, options.sites), flush=True)
    return 0


def cross(folder: Path, direction: str, megabytes: int, seconds: float, sites: int) -> str:
    """Let a model cross, and say what it cost."""
    names = [f"site-{number}" for number in range(sites)]
    world = World.create(folder, *names)
    model = folder / "model"
    digest = _write_model(model, megabytes)
    with ExitStack() as stack:
        here, there = _SPAWN.Pipe()
        down = model if direction == "down" else None
        aggregator = _SPAWN.Process(target=_aggregate, args=(_link_words(world, folder), down, names, there))
        aggregator.start()
        stack.callback(_end, aggregator)
        proxy = stack.enter_context(CuttingProxy(here.recv(), every_seconds=seconds))
        pipes = []
        for name in names:
            mine, yours = _SPAWN.Pipe()
            arguments = (proxy.port, world.ca, folder / name, world.keys[name].private_numbers().private_value, yours)
            courier = _SPAWN.Process(target=_courier, args=(*arguments, None if down else model))
            courier.start()
            stack.callback(_end, courier)
            pipes.append(mine)
        crossing, digests = here.recv()
        couriers = [_told(pipe) for pipe in pipes]
    arrived = digests if direction == "up" else [found for _, found in couriers]
    if arrived != [digest] * sites:
        raise RuntimeError("what arrived is not what was sent")
    times = proxy.passed / (sites * megabytes * 1_000_000)
    lines = [
        f"{direction}: {sites} x {megabytes} MB in {crossing.seconds:.0f} s, dropped every {seconds:.1f} s",
        f"  {proxy.passed / 1e6:.0f} MB on the wire, {times:.3f} times the model, in {proxy.cuts} drops",
        f"  aggregator: {crossing.row()}",
        *(f"  {name}: {found.row()}" for name, (found, _) in zip(names, couriers, strict=True)),
    ]
    return "\n".join(lines)


def _write_model(path: Path, megabytes: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as handle:
        for _ in range(max(1, megabytes * 1_000_000 // _BLOCK)):
            block = os.urandom(min(_BLOCK, megabytes * 1_000_000))
            digest.update(block)
            handle.write(block)
    return digest.hexdigest()


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.join(30)
    if process.is_alive():
        process.kill()


def _told(pipe: Connection) -> tuple[Crossing, str]:
    pipe.send(None)
    told: tuple[Crossing, str] = pipe.recv()
    return told


@dataclass(frozen=True)
class _LinkWords:
    tls: TlsFiles
    sites: dict[str, bytes]
    folder: Path


def _link_words(world: World, folder: Path) -> _LinkWords:
    files = world.certificates
    sites = {name: public_pem(key) for name, key in world.keys.items()}
    return _LinkWords(TlsFiles(files.ca, files.certificate, files.key), sites, folder / "arriving")


def _aggregate(words: _LinkWords, model: Path | None, names: Sequence[str], pipe: Connection) -> None:
    with Link(host="127.0.0.1", port=0, tls=words.tls, sites=words.sites, folder=words.folder) as link:
        payload = map_file(model) if model is not None else b""
        watch, started = MemoryWatch(), time.monotonic()
        before = watch.private
        pipe.send(link.port)
        with ThreadPoolExecutor(len(names)) as pool:
            answers = list(pool.map(lambda name: link.exchange(name, question(payload), _LONGEST), names))
        seconds = time.monotonic() - started
        digests = [None if answer is None else hashlib.sha256(answer.payload).hexdigest() for answer in answers]
        watch.stop()
        pipe.send((Crossing(seconds, before, watch.private, watch.mapped), digests))


def _courier(port: int, ca: bytes, folder: Path, number: int, pipe: Connection, update: Path | None) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(exist_ok=True)
    stop, watch, digest = threading.Event(), MemoryWatch(), [""]
    before = watch.private

    def answer(envelope: Envelope) -> Envelope:
        if envelope.payload:
            digest[0] = hashlib.sha256(envelope.payload).hexdigest()
            write_atomic(folder / "base", envelope.payload)
        return Envelope(envelope.body, b"signature", map_file(update) if update is not None else b"")

    words = {
        "address": f"127.0.0.1:{port}",
        "ca": ca,
        "key": ec.derive_private_key(number, ec.SECP384R1()),
        "handler": answer,
        "stop": stop,
        "shelf": Shelf(folder / "arriving"),
    }
    started = time.monotonic()
    serving = threading.Thread(target=serve, kwargs=words)
    serving.start()
    pipe.recv()
    watch.stop()
    pipe.send((Crossing(time.monotonic() - started, before, watch.private, watch.mapped), digest[0]))
    stop.set()
    serving.join()


if __name__ == "__main__":
    sys.exit(main())

"""What a round costs in itself: an empty round of Wardround against one of stock Flower, on this machine.

A round sends the weights of a U-Net (about 10 MB in 166 arrays) to three sites, has them evaluated and "trained"
(they come back as they are), and averages them. Wardround does it in one exchange per site, over TLS, with signed
requests; stock Flower in two messages per site, without TLS, as installed: `flwr run` with `flower-superlink` and
three `flower-supernode`, default isolation. Both read the weights into a torch state dict on both sides.

Run `python benchmarks/round_overhead.py`; `--json FILE` writes the figures, too. It takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent), str(Path(__file__).parent / "empty_round_app")]

import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: E402
from emptyround.model import unet_state  # noqa: E402
from round_overhead_stock import stock_rounds  # noqa: E402

from benchmarks.goals import Goal, verdict  # noqa: E402
from tests.support.certificates import CertificateFiles, new_key, private_pem, public_pem, write_certificates  # noqa: E402
from wardround.federation.envelope import Envelope  # noqa: E402
from wardround.federation.flower.link.link import Link, TlsFiles  # noqa: E402
from wardround.federation.flower.node.node import serve  # noqa: E402

BOUND = 0.25
_PATIENCE_SECONDS = 120.0
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Machine:
    """Where the figures were taken."""

    processor: str
    cores: int
    python: str
    torch: str
    flwr: str
    load_before: float


@dataclass(frozen=True)
class Figures:
    """Seconds per round of both systems, and how they compare."""

    machine: Machine
    megabytes: float
    arrays: int
    sites: int
    ours: list[float]
    stock: list[float]

    @property
    def ratio(self) -> float:
        """Median of ours over median of stock."""
        return statistics.median(self.ours) / statistics.median(self.stock)


def courier(port: int, ca: bytes, key: bytes) -> None:
    """A site: reads the weights, "evaluates" and "trains", sends them back. Runs until it is ended."""
    torch.set_num_threads(1)

    def answer(envelope: Envelope) -> Envelope:
        state = safetensors.torch.load(bytes(envelope.payload))
        return Envelope(b'{"score":0.5,"examples":1}', b"", safetensors.torch.save(state))

    private = load_pem_private_key(key, None)
    address = f"127.0.0.1:{port}"
    serve(address=address, ca=ca, key=private, handler=answer, stop=threading.Event())  # type: ignore[arg-type]


@contextmanager
def federation(sites: Sequence[str]) -> Iterator[Link]:
    """A link with one courier process for each site, all online."""
    keys = {site: new_key() for site in sites}
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        files: CertificateFiles = write_certificates(Path(folder))
        tls = TlsFiles(files.ca, files.certificate, files.key)
        roster = {site: public_pem(key) for site, key in keys.items()}
        with Link(host="127.0.0.1", port=0, tls=tls, sites=roster) as link:
            secrets = [(link.port, files.ca.read_bytes(), private_pem(key)) for key in keys.values()]
            running = [processes.Process(target=courier, args=each, daemon=True) for each in secrets]
            try:
                for process in running:
                    process.start()
                _wait_for(lambda: all(link.seconds_since_seen(site) is not None for site in sites))
                yield link
            finally:
                for process in running:
                    process.kill()
                    process.join()


def our_rounds(rounds: int, sites: Sequence[str]) -> list[float]:
    """Seconds of each of our rounds, after one that is not counted."""
    state = unet_state()
    seconds = []
    with federation(sites) as link, ThreadPoolExecutor(len(sites)) as pool:
        for _ in range(rounds + 1):
            started = time.monotonic()
            state = one_round(link, sites, pool, state)
            seconds.append(time.monotonic() - started)
    return seconds[1:]


def one_round(link: Link, sites: Sequence[str], pool: ThreadPoolExecutor, state: State) -> State:
    """Send the weights to all sites at once, and average what comes back in the order of the roster."""
    envelope = Envelope(b'{"task":"evaluate and train"}', b"", safetensors.torch.save(state))
    jobs = [pool.submit(link.exchange, site, envelope, _PATIENCE_SECONDS) for site in sites]
    answers = [job.result() for job in jobs]
    if any(answer is None for answer in answers):
        raise RuntimeError(f"a site did not answer within {_PATIENCE_SECONDS:.0f} s")
    replies = [safetensors.torch.load(bytes(answer.payload)) for answer in answers if answer is not None]
    return {name: _mean([reply[name] for reply in replies]) for name in state}


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0]
    total = tensors[0].double()
    for tensor in tensors[1:]:
        total = total + tensor
    return (total / len(tensors)).to(tensors[0].dtype)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the couriers did not come online within {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.1)


def measure(rounds: int, sites: int, folder: Path) -> Figures:
    """Ours, stock, ours again: so that a change of the machine's load shows."""
    machine = describe_machine()
    names = [f"site-{number}" for number in range(1, sites + 1)]
    first = our_rounds(rounds, names)
    stock = stock_rounds(rounds, sites, folder)
    second = our_rounds(rounds, names)
    state = unet_state()
    megabytes = sum(tensor.nbytes for tensor in state.values()) / 1e6
    return Figures(machine, round(megabytes, 2), len(state), sites, first + second, stock)


def describe_machine() -> Machine:
    """Processor, cores and versions."""
    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    python = platform.python_version()
    load = os.getloadavg()[0]
    return Machine(processor, os.cpu_count() or 1, python, version("torch"), version("flwr"), round(load, 2))


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def table(figures: Figures) -> str:
    """The figures for people."""
    machine = figures.machine
    rows = [
        f"{machine.processor}, {machine.cores} cores, load {machine.load_before} before; "
        f"Python {machine.python}, torch {machine.torch}, flwr {machine.flwr}",
        f"empty round (train + evaluate), {figures.sites} sites, {figures.megabytes} MB in {figures.arrays} arrays",
        "",
        f"{'':24}{'median s':>10}{'fastest s':>11}{'slowest s':>11}{'rounds':>8}",
    ]
    for name, seconds in (("Wardround, TLS", figures.ours), ("stock Flower, no TLS", figures.stock)):
        spread = f"{min(seconds):>11.2f}{max(seconds):>11.2f}{len(seconds):>8}"
        rows.append(f"{name:24}{statistics.median(seconds):>10.2f}{spread}")
    verdict = "within" if figures.ratio <= BOUND else "ABOVE"
    rows += ["", f"ratio {figures.ratio:.3f}, {verdict} the bound of {BOUND}"]
    return "\n".join(rows)


def main() -> int:
    """Measure, print, and fail when the bound is not met."""
    parser = argparse.ArgumentParser(description="What a round costs in itself, against stock Flower.")
    parser.add_argument("--rounds", type=int, default=2, help="rounds per run (default 2)")
    parser.add_argument("--sites", type=int, default=3, help="number of sites (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="round-overhead-") as folder:
        figures = measure(arguments.rounds, arguments.sites, Path(folder) / "stock")
    print(table(figures))
    if arguments.json is not None:
        content = {**asdict(figures), "ratio": figures.ratio, "bound": BOUND}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return verdict([Goal("a round, of stock Flower's seconds,", figures.ratio, most=BOUND)])


if __name__ == "__main__":
    sys.exit(main())

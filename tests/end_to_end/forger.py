"""A site that speaks the protocol with its own keys and sends what it should not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from tests.end_to_end.federation import Federation
from wardround.federation.envelope import Envelope
from wardround.federation.flower.node.node import serve
from wardround.federation.identities import SiteKeys
from wardround.federation.payload import pack, payload_digest, unpack
from wardround.federation.protocol import Done, Missing, Ready, Reply, Stage, Task
from wardround.federation.sealing import seal_reply

Arrays = Mapping[str, np.ndarray]
Forge = Callable[[Arrays], bytes]
CASES = 4


def with_nan(model: Arrays) -> bytes:
    """The incoming model with one number that is none."""
    spoiled = {name: array.copy() for name, array in model.items()}
    next(array for array in spoiled.values() if array.dtype == np.float32).reshape(-1)[0] = np.nan
    return pack(spoiled)


def with_another_shape(model: Arrays) -> bytes:
    """The incoming model, its first tensor one longer."""
    name, array = next(iter(model.items()))
    return pack({**model, name: np.zeros((array.shape[0] + 1, *array.shape[1:]), array.dtype)})


def garbage(model: Arrays) -> bytes:
    """Bytes that are no tensors at all."""
    return b"\xff" * 4096


class Forger:
    """Says hello like any site, then answers each task at once with a forged update."""

    def __init__(self, federation: Federation, site: str, forge: Forge) -> None:
        self.site, self._forge = site, forge
        self._federation = federation
        self._keys = SiteKeys.load(federation.lab.site_folder(site) / "keys")

    def answer(self, envelope: Envelope) -> Envelope:
        """The signed answer to a task, whose signature is not even looked at."""
        task = Task.model_validate_json(envelope.body)
        if task.stage is Stage.HELLO or task.work_key is None:
            return self._seal(self._hello(task))
        if not envelope.payload:
            return self._seal(Missing(site=self.site, ask=task.ask, work_key=task.work_key))
        update = self._forge(unpack(envelope.payload))
        done = Done(
            site=self.site,
            work_key=task.work_key,
            update=payload_digest(update),
            train_cases=CASES,
            loss=0.1,
            metrics={},
            seconds=1.0,
        )
        return self._seal(done, update)

    def _hello(self, task: Task) -> Ready:
        counts = {"train_cases": CASES, "validation_cases": 2}
        return Ready(site=self.site, ask=task.ask, plan=task.plan, cohort="ab" * 32, version="0.0.0", **counts)

    def _seal(self, reply: Reply, payload: bytes = b"") -> Envelope:
        return seal_reply(reply, payload, self._keys.signing)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Serve the aggregator from a thread."""
        stop = threading.Event()
        federation = self._federation
        options = {
            "address": f"localhost:{federation.port}",
            "ca": federation.ca.read_bytes(),
            "key": self._keys.transport,
            "handler": self.answer,
            "stop": stop,
        }
        thread = threading.Thread(target=serve, kwargs=options)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

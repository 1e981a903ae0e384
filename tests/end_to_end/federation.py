"""A tiny federation that is prepared once, and copies of it that run on ports of their own and are disturbed.

All copies have the same keys, plan and cases; so whatever happens to a copy, its weights must be those of the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from pydantic import JsonValue
from safetensors.numpy import load_file

from tests.support.images import write_segmentation_cohort
from tests.support.proxy import FaultProxy
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.cli.runner import ExitCode
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Horizon
from wardround.lab.lab import Lab, LabSettings
from wardround.lab.processes import Machine, Program, free_port, module_command
from wardround.lab.settings_files import change_settings
from wardround.site_client.events import Role, log_path

SITES = ("north", "south", "west")
HORIZON = Horizon(rounds=2, local_steps=24)
PATIENCE = 900.0
"""Seconds for anything that must happen; a quiet machine needs a few per cent of it."""

_POLICY: Mapping[str, JsonValue] = {
    "tasks": ["segmentation", "classification", "regression", "multilabel", "survival", "synthesis"]
}
STUDY = """\
schema: 1
study: discs
task: segmentation
inputs: [grey]
classes: {inner: 1, outer: 2}
preprocessing: [{z_normalize: {within: all}}]
augmentation: [{noise: {std: [0, 0.1], probability: 0.5}}]
patches: {size: [16, 16], per_case: 1, foreground: 0.5}
model: {name: unet, dimensions: 2, filters: 4, levels: 2, norm: instance}
training: {loss: dice_ce, optimizer: {name: adamw, learning_rate: 1e-2}, batch_size: 2, steps: 48}
validation: {outer_folds: 3, inner_folds: 3, metrics: [dice], select: dice}
seed: 5
"""


def nine_pictures(folder: Path, seed: int) -> Path:
    """Pictures with masks; the path of their manifest."""
    return write_segmentation_cohort(folder, cases=9, shape=(24, 28), seed=seed)


@dataclass(frozen=True)
class Template:
    """Keys, files and accepted plans of a federation that has not run yet; `changes` are those of `federation.yaml`."""

    folder: Path
    study: Path
    manifests: Mapping[str, Path]
    horizon: Horizon
    changes: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls,
        folder: Path,
        sites: Iterable[str] = SITES,
        horizon: Horizon = HORIZON,
        text: str = STUDY,
        changes: Mapping[str, JsonValue] | None = None,
        cohort: Callable[[Path, int], Path] = nine_pictures,
    ) -> Self:
        """Make a cohort for each site by its number, then do what coordinator and sites do before a run of a study."""
        folder.mkdir(parents=True)
        study = folder / "study.yaml"
        study.write_text(text)
        manifests = {name: cohort(folder / "data" / name, SITES.index(name)) for name in sites}
        template = cls(folder / "lab", study, manifests, horizon, changes or {})
        template.lab(template.folder).prepare()
        return template

    def lab(self, folder: Path) -> Lab:
        """The lab in a folder: the template's own, or a copy's. Every step is checkpointed."""
        site: Mapping[str, JsonValue] = {"checkpoint_seconds": 0.001, "answer_seconds": 3}
        settings = LabSettings(Machine(threads=1), federation=self.changes, site=site, policy=_POLICY)
        return Lab(folder, self.study, self.manifests, self.horizon, settings)

    def copy(self, folder: Path, federation: Mapping[str, JsonValue] | None = None) -> Federation:
        """A federation in a folder of its own, on a free port; `federation` changes its `federation.yaml`."""
        shutil.copytree(self.folder, folder)
        running = Federation(self.lab(folder), free_port())
        placed = {"listen": f"127.0.0.1:{running.port}", "study": str(self.study)}
        change_settings(running.lab.federation_file, {**placed, **(federation or {})})
        running.reach_by(running.port)
        return running


@dataclass(frozen=True)
class Party:
    """One of the federation's processes, by whose log it is known: a site's courier or worker, or the aggregator."""

    site: str | None = None
    role: Role | None = None

    def __str__(self) -> str:
        return "aggregator" if self.site is None else f"{self.role} of {self.site}"


AGGREGATOR = Party()
Copy = Callable[..., "Federation"]
"""Makes a copy of a template that ends with the test: `Template.copy` without the folder."""


def courier(site: str) -> Party:
    """A site's courier."""
    return Party(site, Role.COURIER)


def worker(site: str) -> Party:
    """A site's worker."""
    return Party(site, Role.WORKER)


@dataclass(frozen=True)
class Line:
    """One line of an event log."""

    time: str
    event: str
    facts: Mapping[str, Any]

    def says(self, event: str, **facts: object) -> bool:
        """Whether this is that event, with at least these facts."""
        return self.event == event and all(self.facts.get(name) == value for name, value in facts.items())


@dataclass
class Tail:
    """Reads what is appended to a log. A line that is still being written is left for the next look."""

    path: Path
    lines: list[Line] = field(default_factory=list)
    _read: int = 0

    def look(self) -> list[Line]:
        """All lines up to now."""
        if not self.path.exists():
            return self.lines
        with self.path.open("rb") as handle:
            handle.seek(self._read)
            new = handle.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self.lines += [line for text in whole.splitlines() if (line := _parse(text)) is not None]
        return self.lines


class Federation:
    """A copy that runs. Leaving the `with` block stops every process that it started."""

    def __init__(self, lab: Lab, port: int) -> None:
        self.lab, self.port = lab, port
        self._tails: dict[Party, Tail] = {}
        self._others: list[Program] = []
        self._aggregator: Program | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.lab.stop()
        finally:
            for program in self._others:
                program.stop()

    # -- set-up

    @property
    def names(self) -> tuple[str, ...]:
        """The sites' names."""
        return tuple(self.lab.sites)

    @property
    def ca(self) -> Path:
        """PEM of the federation's authority."""
        return self.lab.coordinator / "keys" / "ca.pem"

    @property
    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts the federation's authority."""
        return ssl.create_default_context(cafile=str(self.ca))

    def reach_by(self, port: int, sites: Sequence[str] | None = None) -> None:
        """Let sites (all by default) reach the aggregator through this port."""
        for name in sites or self.names:
            change_settings(self.lab.site_file(name), {"address": f"localhost:{port}"})

    @contextlib.contextmanager
    def behind_proxy(self, sites: Sequence[str] | None = None) -> Iterator[FaultProxy]:
        """A proxy between sites (all by default) and the aggregator, with the aggregator's own certificate."""
        keys = self.lab.coordinator / "keys"
        with FaultProxy(
            self.port,
            ca=self.ca,
            certificate=keys / "server.pem",
            key=keys / "server.key",
            upstream_name="localhost",
        ) as proxy:
            self.reach_by(proxy.port, sites)
            yield proxy

    # -- processes

    def start(self, *, without: Sequence[str] = ()) -> None:
        """Start the aggregator and the sites, but not those named in `without`."""
        self.start_aggregator()
        for name in self.names:
            if name not in without:
                self.lab.start_site(name)

    def start_aggregator(self) -> None:
        """Start the aggregator, or start it again."""
        self._aggregator = self.lab.start_aggregator(watched=self.lab.log("aggregator"))

    def run_beside(self, name: str, module: str, *arguments: str | Path) -> Program:
        """Start another program that ends with the federation."""
        program = Program(name, module_command(module, *arguments), self.lab.settings.machine, self.lab.log(name))
        self._others.append(program)
        return program

    def pid(self, party: Party) -> int | None:
        """The process that is this party now, made sure by its command line; None while there is none."""
        if party.site is None or party.role is None:
            alive = self._aggregator is not None and self._aggregator.exit_code is None
            return self._aggregator.pid if alive and self._aggregator is not None else None
        pid = self.lab.pids(party.site).get(party.role)
        return pid if pid is not None and self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        try:
            return any(str(self.lab.folder) in word for word in psutil.Process(pid).cmdline())
        except psutil.Error:
            return False

    def kill(self, party: Party) -> bool:
        """SIGKILL; False when the party is not running. A killed aggregator is started again."""
        pid = self.pid(party)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if party == AGGREGATOR:
            self.lab.wait_finished(PATIENCE)
            self.start_aggregator()
        return True

    def ended(self, seconds: float = 0.01) -> int | None:
        """The aggregator's exit code if it ends within some seconds, otherwise None."""
        try:
            return self.lab.wait_finished(seconds)
        except subprocess.TimeoutExpired:
            return None

    # -- what can be seen from outside

    def log(self, party: Party) -> list[Line]:
        """The event log of a party, up to now."""
        if party not in self._tails:
            self._tails[party] = Tail(self._log_path(party))
        return self._tails[party].look()

    def _log_path(self, party: Party) -> Path:
        if party.site is None or party.role is None:
            return self.lab.coordinator / "state" / "events.jsonl"
        return log_path(self.lab.work_folder(party.site), party.role)

    def said(self, party: Party, event: str, **facts: object) -> list[Line]:
        """Lines of a log with this event and these facts."""
        return [line for line in self.log(party) if line.says(event, **facts)]

    def wait_for(self, party: Party, event: str, **facts: object) -> Line:
        """Wait for a line of a log."""
        self.wait_until(lambda: bool(self.said(party, event, **facts)), f"{party}: {event} {facts}")
        return self.said(party, event, **facts)[0]

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something; fail with all logs when it does not happen."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.story()}"
            ended = [program.name for program in self._others if program.exit_code == ExitCode.INTERNAL]
            assert not ended, f"{ended} failed while the test waited for: {what}"
            time.sleep(0.01)

    def finish(self, strikes: Sequence[Strike] = ()) -> str:
        """Carry out the strikes as their moments come, wait for the end, and return the digest of the final weights."""
        waiting, deadline = list(strikes), time.monotonic() + PATIENCE
        while (code := self.ended()) is None:
            assert time.monotonic() < deadline, f"not finished within {PATIENCE} s\n{self.story()}"
            waiting = [strike for strike in waiting if not (strike.is_due(self) and self.kill(strike.victim))]
        assert code == 0, f"the aggregator ended with exit code {code}\n{self.story()}"
        assert not waiting, f"these moments did not come: {waiting}\n{self.story()}"
        return self.final_weights()

    def final_weights(self) -> str:
        """The digest that the journal names of what the last round made, whose weights are those of the last model."""
        committed = self.said(AGGREGATOR, "round_committed")
        assert [line.facts["round"] for line in committed] == list(range(1, self.lab.horizon.rounds + 2)), self.story()
        digest = str(committed[-1].facts["model"])
        made = StateFolder(self.lab.coordinator / "state").arrays.get(digest)
        weights = {name: array for name, array in made.items() if name.startswith("model/")}
        assert weights_digest(self.lab.last_model / "model.safetensors") == payload_digest(pack(weights))
        return digest

    def story(self) -> str:
        """The last lines of every log, for a failure's message."""
        parties = [AGGREGATOR, *(Party(name, role) for name in self.names for role in Role)]
        printed = self.lab.log("aggregator")
        said = printed.read_text(errors="replace").splitlines()[-12:] if printed.exists() else []
        return "\n".join(
            [
                f"{party}: {line.time[11:23]} {line.event} {str(dict(line.facts))[:300]}"
                for party in parties
                for line in self.log(party)[-12:]
            ]
            + [f"printed: {line}" for line in said]
        )


@dataclass(frozen=True)
class Strike:
    """SIGKILL of `victim` when `event` is seen for the `nth` time in the log of `witness` (the victim by default)."""

    victim: Party
    event: str
    nth: int = 1
    witness: Party | None = None

    def is_due(self, federation: Federation) -> bool:
        """Whether the moment has come."""
        return len(federation.said(self.witness or self.victim, self.event)) >= self.nth


def weights_digest(path: Path) -> str:
    """SHA-256 of a weights file's tensors as they cross the wire: names, types, shapes and bytes, without a header."""
    return payload_digest(pack({f"model/{name}": array for name, array in load_file(path).items()}))


def _parse(text: bytes) -> Line | None:
    try:
        content = json.loads(text)
    except json.JSONDecodeError:  # cut off by a kill
        return None
    return Line(content.pop("time", ""), content.pop("event", ""), content)

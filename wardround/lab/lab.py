"""The lab: a federation of real processes on this machine, over TLS on the loopback interface.

Everything is done by the commands that hospitals and coordinators type::

    with Lab(folder, study, {"north": manifest_a, "south": manifest_b}, Horizon(rounds=5, local_steps=20)) as lab:
        lab.prepare()
        lab.start()
        lab.wait_finished()
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from wardround.aggregator.showing.models import BEST, LAST
from wardround.federation.protocol import Horizon
from wardround.lab.processes import Machine, Program, free_port, module_command, run_to_end
from wardround.lab.settings_files import change_settings
from wardround.site_client.events import Role
from wardround.site_client.processes import read_pid

AGGREGATOR, SITE_CLIENT = "wardround.aggregator", "wardround.site_client"
_AT_ONCE = 4
_SITE: Mapping[str, JsonValue] = {"device": "cpu"}
_POLICY: Mapping[str, JsonValue] = {"minimum_train_cases": 1, "minimum_validation_cases": 1}


@dataclass(frozen=True)
class LabSettings:
    """How a lab differs from what the commands would write by themselves.

    Attributes:
        machine: what each process may use.
        federation, site, policy: keys to set in `federation.yaml`, in every `site.yaml` and in every `policy.yaml`.
            A lab's cohorts may be tiny, so its policies allow single cases unless told otherwise.
        name: the federation's name.
    """

    machine: Machine = field(default_factory=Machine)
    federation: Mapping[str, JsonValue] = field(default_factory=dict)
    site: Mapping[str, JsonValue] = field(default_factory=dict)
    policy: Mapping[str, JsonValue] = field(default_factory=dict)
    name: str = "lab"


class Lab:
    """One aggregator and one site client per manifest. Leaving the `with` block stops whatever still runs."""

    def __init__(
        self,
        folder: Path,
        study: Path,
        sites: Mapping[str, Path],
        horizon: Horizon,
        settings: LabSettings | None = None,
    ) -> None:
        self.folder, self.study = folder.resolve(), study.resolve()
        self.sites = {name: manifest.resolve() for name, manifest in sites.items()}
        self.horizon = horizon
        self.settings = settings or LabSettings()
        self.port = free_port()
        self._aggregator: Program | None = None
        self._clients: dict[str, Program] = {}

    @property
    def coordinator(self) -> Path:
        """The coordinator's folder."""
        return self.folder / "coordinator"

    @property
    def federation_file(self) -> Path:
        """The coordinator's `federation.yaml`."""
        return self.coordinator / "federation.yaml"

    @property
    def results(self) -> Path:
        """Where the aggregator writes models and history."""
        return self.coordinator / "results"

    @property
    def best_model(self) -> Path:
        """Model folder of the best round; of the last one where no round could be scored."""
        best = self.results / BEST
        return best if best.exists() else self.last_model

    @property
    def last_model(self) -> Path:
        """Model folder of the last round."""
        return self.results / LAST

    def site_folder(self, name: str) -> Path:
        """A site's folder."""
        return self.folder / "sites" / name

    def site_file(self, name: str) -> Path:
        """A site's `site.yaml`."""
        return self.site_folder(name) / "site.yaml"

    def work_folder(self, name: str) -> Path:
        """Where a site's client writes."""
        return self.site_folder(name) / "work"

    def log(self, name: str) -> Path:
        """What a site's client, or `aggregator`, printed."""
        return self.folder / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make every party's keys and files, enrol the sites, invite them, and accept in their names.

        Raises `InputError` with what a command said if one fails.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._init_site, self.sites))
        self._init_aggregator()
        invitation = self.coordinator / "invitation.json"
        for name in self.sites:
            request = self.site_folder(name) / f"{name}.pub"
            self._run(AGGREGATOR, "enroll", name, request, "--config", self.federation_file)
        self._run(AGGREGATOR, "invite", "--out", invitation, "--config", self.federation_file)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda name: self._accept(name, invitation), self.sites))

    def add_site(self, name: str, manifest: Path) -> Path:
        """Set up a site that comes later; its request to the coordinator, who has to enrol it."""
        self.sites[name] = manifest.resolve()
        self._init_site(name)
        return self.site_folder(name) / f"{name}.pub"

    def start(self, *, watched: Path | None = None) -> None:
        """Start the aggregator (its live view goes to `watched`, or to the terminal) and every site."""
        self.start_aggregator(watched=watched)
        for name in self.sites:
            self.start_site(name)

    def start_aggregator(self, *, watched: Path | None = None) -> Program:
        """Start the aggregator; its live view goes to the file `watched`, or to the terminal."""
        command = module_command(AGGREGATOR, "--config", self.federation_file)
        self._aggregator = Program("aggregator", command, self.settings.machine, watched)
        return self._aggregator

    def start_site(self, name: str) -> Program:
        """Start one site's client."""
        command = module_command(SITE_CLIENT, "--config", self.site_file(name))
        self._clients[name] = Program(name, command, self.settings.machine, self.log(name))
        return self._clients[name]

    def pids(self, name: str) -> Mapping[Role, int]:
        """Process ids of a site's supervisor, courier and worker, as far as they run."""
        found = {role: read_pid(self.work_folder(name), role) for role in Role}
        return {role: pid for role, pid in found.items() if pid is not None}

    def wait_finished(self, timeout: float | None = None) -> int:
        """Wait for the aggregator's end; its exit code. Raises `subprocess.TimeoutExpired`."""
        if self._aggregator is None:
            raise RuntimeError("the aggregator was not started")
        return self._aggregator.wait(timeout)

    def stop_aggregator(self) -> None:
        """Stop the aggregator, if it runs."""
        if self._aggregator is not None:
            self._aggregator.stop()

    def stop_site(self, name: str) -> None:
        """Stop one site's client, if it runs."""
        if name in self._clients:
            self._clients[name].stop()

    def stop(self) -> None:
        """Stop everything that this lab started."""
        running = [*self._clients.values(), *([self._aggregator] if self._aggregator else [])]
        for program in running:
            program.send(signal.SIGTERM)
        for program in running:
            program.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _init_site(self, name: str) -> None:
        folder = self.site_folder(name)
        self._run(SITE_CLIENT, "init", "--name", name, "--manifest", self.sites[name], "--folder", folder)
        threads = {"threads": self.settings.machine.threads}
        change_settings(self.site_file(name), {**_SITE, **threads, **self.settings.site})
        change_settings(folder / "policy.yaml", {**_POLICY, **self.settings.policy})

    def _accept(self, name: str, invitation: Path) -> None:
        self._run(SITE_CLIENT, "accept", invitation, "--config", self.site_file(name), "--yes")

    def _init_aggregator(self) -> None:
        address = f"localhost:{self.port}"
        horizon = ("--rounds", str(self.horizon.rounds), "--local-steps", str(self.horizon.local_steps))
        named = ("--name", self.settings.name, "--study", self.study, "--address", address)
        self._run(AGGREGATOR, "init", *named, *horizon, "--folder", self.coordinator)
        change_settings(self.federation_file, {"listen": f"127.0.0.1:{self.port}", **self.settings.federation})

    def _run(self, module: str, *arguments: str | Path) -> str:
        command = module_command(module, *arguments)
        return run_to_end(command, self.settings.machine, " ".join(map(str, (module, *arguments[:1]))))

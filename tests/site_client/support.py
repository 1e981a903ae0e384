"""A site and its coordinator in a folder, and an engine that learns nothing but behaves like one."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.support.images import write_segmentation_cohort
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.basics.files import write_atomic
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import merged
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.engine.study import Study, study_to_bytes
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.envelope import Envelope
from wardround.federation.event_log import read_entries
from wardround.federation.guards import Schema, describe
from wardround.federation.identities import CoordinatorKey, EnrolmentRequest, Roster, SiteKeys
from wardround.federation.invitation import Invitation, SignedInvitation, save_invitation
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Horizon, MetricValue, Plan, Reply, Stage, Task, work_key
from wardround.federation.sealing import open_reply, seal_task
from wardround.site_client.agreement.agreement import Agreement, load_agreement, pin
from wardround.site_client.agreement.settings import SiteSettings, load_settings
from wardround.site_client.between.socket import CohortReport, ask_worker, socket_path
from wardround.site_client.courier.handler import Courier
from wardround.site_client.courier.tools import CourierTools
from wardround.site_client.events import EventLog, Role, log_path
from wardround.site_client.processes import StopRequest
from wardround.site_client.setup.new_site import create_site
from wardround.site_client.worker.engine import Arrays, HaltedError, Subset, Trained, TrainingJob, Watch
from wardround.site_client.worker.process import run_worker

STUDY = """
schema: 1
study: blobs
task: segmentation
inputs: [T1w]
classes: {inner: 1, outer: 2}
preprocessing: [{z_normalize: {within: nonzero}}]
patches: {size: [16, 16, 16], per_case: 1, foreground: 0.5}
model: {name: unet, dimensions: 3, filters: 4, levels: 2, norm: instance}
training: {loss: dice_ce, optimizer: {name: adamw, learning_rate: 1e-2}, batch_size: 2, epochs: 1}
validation: {outer_folds: 3, inner_folds: 3, metrics: [dice], select: dice}
"""
ROUNDS, LOCAL_STEPS = 3, 4


def a_study(text: str = STUDY) -> Study:
    """A small study."""
    return validate_document(Study, parse_document(text, Path("study.yaml")))


@dataclass(frozen=True)
class Site:
    """A coordinator and one enrolled site that has accepted its invitation."""

    folder: Path
    coordinator: CoordinatorKey
    invitation: Invitation

    @property
    def config(self) -> Path:
        """The site file."""
        return self.folder / "site.yaml"

    @property
    def settings(self) -> SiteSettings:
        """The site's settings."""
        return load_settings(self.config)

    @property
    def agreement(self) -> Agreement:
        """What the site accepted."""
        return load_agreement(self.settings.accepted)

    @property
    def keys(self) -> SiteKeys:
        """The site's keys."""
        return SiteKeys.load(self.settings.keys)

    def task(self, stage: Stage, round_number: int, base: bytes, cohort: str, accepted: str | None = None) -> Task:
        """A task of this federation."""
        plan, digest = self.invitation.plan.digest, payload_digest(base)
        return Task(
            site="north",
            plan=plan,
            stage=stage,
            round=round_number,
            base=digest,
            work_key=work_key(plan, stage, round_number, digest, cohort),
            accepted=accepted,
            ask=secrets.token_hex(16),
        )

    def hello(self) -> Task:
        """A hello."""
        return Task(
            site="north", plan=self.invitation.plan.digest, stage=Stage.HELLO, round=0, ask=secrets.token_hex(16)
        )

    def sealed(self, task: Task, payload: bytes = b"") -> Envelope:
        """A task as the coordinator signs it."""
        return seal_task(task, payload, self.coordinator)

    def open(self, envelope: Envelope) -> tuple[Reply, bytes]:
        """A reply as the aggregator opens it."""
        return open_reply(envelope, self.keys.signing_public)

    def events(self, role: Role) -> list[str]:
        """Names of the events in a role's log."""
        return [entry.event for entry in read_entries(log_path(self.settings.work, role))]

    def log_text(self, role: Role) -> str:
        """A role's log as text."""
        return log_path(self.settings.work, role).read_text()


def build_site(
    folder: Path,
    *,
    address: str = "127.0.0.1:9",
    ca_pem: str = "",
    study: str = STUDY,
    strategy: str = "fedavg",
) -> Site:
    """Init, enrol, invite and accept, with a manifest that does not exist unless somebody writes it."""
    create_site(folder, "north", folder / "data.csv")
    quicken(folder / "site.yaml")
    allow_few(folder / "policy.yaml")
    request = EnrolmentRequest.load(folder / "north.pub")
    coordinator = CoordinatorKey.create(folder / "coordinator")
    roster = Roster.of((request.member,))
    opened = a_study(study)
    invitation = invitation_for(coordinator, roster, address=address, ca_pem=ca_pem, study=opened, strategy=strategy)
    save_invitation(folder / "invitation.json", invitation, coordinator)
    pin(load_settings(folder / "site.yaml").accepted, SignedInvitation.by(invitation, coordinator))
    return Site(folder, coordinator, invitation)


def invitation_for(
    coordinator: CoordinatorKey,
    roster: Roster,
    *,
    address: str = "127.0.0.1:9",
    ca_pem: str = "",
    study: Study | None = None,
    strategy: str = "fedavg",
) -> Invitation:
    """An invitation to the small study, or to another one."""
    study = study or a_study()
    plan = Plan(
        federation="trial",
        study=study.digest,
        horizon=Horizon(rounds=ROUNDS, local_steps=LOCAL_STEPS),
        strategy=strategy,
        roster=roster.digest,
    )
    return Invitation(
        federation="trial",
        address=address,
        ca_pem=ca_pem,
        coordinator_key=coordinator.public,
        roster=roster,
        plan=plan,
        study=study_to_bytes(study).decode(),
    )


def quicken(config: Path) -> None:
    """Let the courier wait three seconds at most, and the worker use one thread."""
    config.write_text(config.read_text() + "answer_seconds: 3\nthreads: 1\n")


def allow_few(policy: Path) -> None:
    """Let a handful of cases take part."""
    policy.write_text(policy.read_text().replace("minimum_train_cases: 5", "minimum_train_cases: 2"))


def base_model(value: float = 0.5) -> bytes:
    """A packed model that fits the fake engine."""
    return pack({"model/weight": np.full((3, 2), value, np.float32), "model/count": np.array(7, np.int64)})


@dataclass
class FakeEngine:
    """Adds the carried number and the step to the weights; saves a checkpoint after each step, as the engine does.

    Attributes:
        train_cases: how many it claims to have.
        metrics: what an evaluation finds.
        gate: training waits for it before each step.
        spoil: replaces the update's weights.
        voxels: of each training case, one channel, by which it answers a request.
        forge: changes such an answer.
        shared: what it hands over beside them, by group.
        numbers: the numbers of a strategy that it hands over.
        came: what the last task brought beside the weights.
        calls: what was asked of it.
    """

    train_cases: int = 6
    validation_cases: int = 3
    identity: str = "cohort"
    metrics: Mapping[str, MetricValue] = field(
        default_factory=lambda: {
            "dice": MetricValue(value=0.5, count=3),
            "dice.inner": MetricValue(value=0.4, count=1),
            "loss": MetricValue(value=0.7, count=3),
        }
    )
    gate: threading.Event = field(default_factory=threading.Event)
    spoil: Arrays | None = None
    shared: Arrays = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    came: Arrays = field(default_factory=dict)
    error: Exception | None = None
    voxels: tuple[np.ndarray, ...] = ()
    forge: Callable[[CohortSummary], CohortSummary] = lambda summary: summary
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def cohort(self) -> CohortReport:
        """Counts."""
        return CohortReport(
            digest=sha256_hex(self.identity.encode()),
            train_cases=self.train_cases,
            validation_cases=self.validation_cases,
            test_cases=2,
        )

    @property
    def schema(self) -> Schema:
        """Two tensors."""
        return describe({"weight": np.zeros((3, 2), np.float32), "count": np.array(0, np.int64)})

    def is_current(self) -> bool:
        """Always."""
        return True

    def pin(self) -> None:
        """Nothing is kept."""

    def prepare(self, state: FittedState) -> None:
        """Only noted."""
        if not state.is_empty:
            self.calls.append(f"prepare {state.digest[:8]}")

    def summarise(self, request: Request) -> CohortSummary:
        """From the voxels."""
        self.calls.append(f"summarise {request.ask.kind}")
        if self.error is not None:
            raise self.error
        return self.forge(merged(request, [request.answer([case]) for case in self.voxels]))

    def evaluate(self, model: Arrays, subset: Subset, most: int | None = None) -> dict[str, MetricValue]:
        """The given metrics."""
        self.calls.append(f"evaluate {subset}" if most is None else f"evaluate {subset}, at most {most}")
        return dict(self.metrics)

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """One addition per step; resumes from its checkpoint."""
        self.calls.append(f"train {job.start}-{job.stop} carried {sorted(job.carried)}")
        if self.error is not None:
            raise self.error
        step, weight = self._resume(job)
        while step < job.stop:
            self.gate.wait(20)
            if watch.halt():
                raise HaltedError("halted")
            weight = weight + np.float32(1 + step)
            step += 1
            watch.on_step(step, 0.25)
            write_atomic(job.checkpoint, json.dumps([step, weight.tolist()]).encode())
            watch.on_checkpoint(step)
        model = self.spoil or {"weight": weight, "count": job.model["count"] + np.int64(1)}
        digest = hashlib.sha256(weight.tobytes() + b"".join(job.carried.values())).digest()
        self.came = job.shared
        return Trained(model, {"optimizer": digest}, 0.25, self.shared, self.numbers)

    def _resume(self, job: TrainingJob) -> tuple[int, np.ndarray]:
        if job.checkpoint.exists():
            step, weight = json.loads(job.checkpoint.read_bytes())
            return step, np.array(weight, np.float32)
        extra = np.float32(sum(job.carried.get("optimizer", b"")))
        return job.start, job.model["weight"] + extra


@contextmanager
def working_site(site: Site, engine: FakeEngine) -> Iterator[Courier]:
    """A worker in a thread and a courier that talks to it over the real socket."""
    stop = StopRequest()
    settings, agreement = site.settings, site.agreement
    thread = threading.Thread(
        target=run_worker,
        args=(settings, agreement, EventLog(settings.work, Role.WORKER), stop, lambda *_: engine),
    )
    thread.start()
    try:
        yield courier_of(site, stop)
    finally:
        stop.set()
        engine.gate.set()
        thread.join(20)
        assert not thread.is_alive()


def courier_of(site: Site, stop: threading.Event | None = None) -> Courier:
    """The site's courier."""
    settings = site.settings
    tools = CourierTools(
        settings, site.agreement, site.keys, EventLog(settings.work, Role.COURIER), stop or threading.Event()
    )
    return Courier(tools, lambda ask: ask_worker(socket_path(settings.work), ask))


def write_cohort(site: Site, cases: int = 9) -> Path:
    """Real images for the real engine."""
    return write_segmentation_cohort(site.folder, cases=cases, shape=(18, 20, 16))


def allow_changes(site: Site) -> None:
    """Let the site's policy allow a cohort to change once work has begun."""
    text = site.settings.policy.read_text()
    assert "cohort_changes: refuse" in text
    site.settings.policy.write_text(text.replace("cohort_changes: refuse", "cohort_changes: allow"))

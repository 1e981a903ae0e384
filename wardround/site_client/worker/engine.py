"""The engine as the worker sees it, kept warm from round to round. The real one imports torch when it is opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from wardround.engine.basics.canonical import canonical_json, file_sha256, sha256_hex
from wardround.engine.basics.filemarks import sampled_digest, state_of
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress
from wardround.engine.cohort.assignment import Assignment, SetConflict
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.federation.guards import Schema, describe
from wardround.federation.protocol import MetricValue, RefusalCode
from wardround.federation.strategies.protocol import Strategy
from wardround.site_client.agreement.agreement import Agreement, Refusal, strategy_in_force
from wardround.site_client.agreement.settings import SiteSettings, load_policy
from wardround.site_client.between.socket import CohortReport
from wardround.site_client.worker.folds import mended_at_a_site
from wardround.site_client.worker.joining import blobs_of, half_of
from wardround.site_client.worker.pinned import Change, CohortPins, PinnedCohort, require_patients

if TYPE_CHECKING:
    from torch import Tensor

    from wardround.engine.experiments.workbench import Workbench
    from wardround.engine.training import Learner

Arrays = Mapping[str, np.ndarray]
Subset = Literal["validation", "test"]
_OPTIMIZER = "optimizer"


class HaltedError(Exception):
    """Training was told to stop; what was done is in the checkpoint."""


@dataclass(frozen=True)
class TrainingJob:
    """One round's training.

    Attributes:
        model: the incoming weights, by name without group.
        shared: what came beside them in other groups of tensors, as `group/tensor`.
        carried: state that the last accepted round left behind; empty at first.
        start: first step, counted over the whole federation.
        stop: the step after the last.
        checkpoint: file to resume from and to save to.
        identity: names the work; only its own checkpoint is resumed.
        every_seconds: time between two checkpoints, or more where they would cost over a twentieth of it.
        at_most_seconds: longest time between two, whatever they cost, if it was stated.
    """

    model: Arrays
    carried: Mapping[str, bytes]
    start: int
    stop: int
    checkpoint: Path
    identity: str
    every_seconds: float
    at_most_seconds: float | None = None
    shared: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """Who is told of training: each step (its number and loss), each durable checkpoint; and who may halt it."""

    on_step: Callable[[int, float], None]
    on_checkpoint: Callable[[int], None]
    halt: Callable[[], bool]


@dataclass(frozen=True)
class Trained:
    """The weights after a round, the state to carry over, and the mean loss.

    `shared` and `numbers` are what the strategy sends beside the weights: tensors of other groups, and numbers.
    """

    model: Arrays
    carried: Mapping[str, bytes]
    loss: float
    shared: Arrays = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


class SiteEngine(Protocol):
    """A study and a cohort, ready to work on."""

    @property
    def cohort(self) -> CohortReport:
        """What is here."""

    @property
    def schema(self) -> Schema:
        """Form of the network's weights, by name without group."""

    def is_current(self) -> bool:
        """Whether manifest and files are still those that were opened."""

    def pin(self) -> Change | None:
        """Keep who is in which set, before anything is learned; what changed since that was last done, if anything."""

    def prepare(self, state: FittedState) -> None:
        """Work from now on with cases as preprocessing makes them that has learned this. Raises `InputError`."""

    def summarise(self, request: Request) -> CohortSummary:
        """The answer of all training cases together. Raises `InputError` on bad cases."""

    def evaluate(self, model: Arrays, subset: Subset, most: int | None = None) -> dict[str, MetricValue]:
        """Score weights on a set of cases, or on `most` of them, always the same; empty when the set is."""

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """Train for a round. Raises `HaltedError`, `Refusal` on divergence, `InputError` on bad cases."""


class WarmEngine:
    """The local engine on this site's cohort."""

    def __init__(
        self, bench: Workbench, settings: SiteSettings, total_steps: int, pins: CohortPins, strategy: Strategy
    ) -> None:
        self._bench, self._total_steps, self._pins, self._strategy = bench, total_steps, pins, strategy
        self._manifest, self._work = settings.manifest, settings.work
        self._fewest = load_policy(settings.policy).minimum_train_cases
        self._opened = _fingerprint(bench, settings.manifest)
        self._made: Learner | None = None

    @classmethod
    def open(cls, settings: SiteSettings, agreement: Agreement) -> WarmEngine:
        """Read, check, split and preprocess the cohort. Raises `InputError` with every problem.

        Once work has begun, patients stay in their sets, and a changed cohort is refused (`Refusal`) unless the policy
        or the site's staff allows it.
        """
        pins = CohortPins.of(settings.work, agreement.plan.study)
        held, strategy = _held(pins), strategy_in_force(agreement)
        try:
            bench = _filled(settings, agreement, None if held is None else held.assignment)
        except InputError as error:
            if all(isinstance(problem, SetConflict) for problem in error.problems):
                raise Refusal(RefusalCode.TABLE_CONFLICT, str(error)) from None
            raise
        pins.admit(held, pin_of(bench), load_policy(settings.policy).cohort_changes)
        return cls(bench, settings, agreement.plan.horizon.total_steps, pins, strategy)

    @property
    def cohort(self) -> CohortReport:
        """What is here."""
        bench = self._bench
        return CohortReport(
            digest=bench.cohort_digest,
            train_cases=len(bench.train_cases),
            validation_cases=len(bench.validation_cases),
            test_cases=len(bench.test_cases),
        )

    @property
    def schema(self) -> Schema:
        """Form of the network's weights."""
        return describe(_arrays(self._learner.weights()))

    def is_current(self) -> bool:
        """Whether manifest and files are still those that were opened, by content, or by size, times and a sample."""
        return _fingerprint(self._bench, self._manifest) == self._opened

    def pin(self) -> Change | None:
        """Keep who is in which set, and whose images models will have seen."""
        from wardround.engine.experiments.learned import keep_learned

        keep_learned(self._work, self._bench)
        return self._pins.keep(pin_of(self._bench))

    def prepare(self, state: FittedState) -> None:
        """Prepare the cases with what was fitted, unless they are."""
        if state != self._bench.state:
            self._made = None
            self._bench = self._bench.with_state(state)

    def summarise(self, request: Request) -> CohortSummary:
        """The answer of all training cases together."""
        with progress("Summarising", len(self._bench.split.train)) as shown:
            summary = self._bench.summarise(request, shown)
        # A column that few patients have a value in is told as if none had one: the others need not wait for it.
        return summary.withheld(self._fewest, request) if request.about == "columns" else summary

    @property
    def _learner(self) -> Learner:
        """The learner; made if there is none."""
        if self._made is None:
            self._made = self._bench.learner(self._total_steps)
        return self._made

    def evaluate(self, model: Arrays, subset: Subset, most: int | None = None) -> dict[str, MetricValue]:
        """Score weights on a set of cases; empty when the set is, and without what is undefined there.

        Validation predicts with `inference.quick`."""
        from wardround.engine.inference import quick

        if not self._bench.cases(subset):
            return {}
        self._learner.load_weights(_tensors(model))
        full = self._bench.study.inference
        settings = full if subset == "test" else quick(full)
        summary = self._bench.evaluate(self._learner, subset, inference=settings, most=most).summary
        defined = {name: found for name, found in summary.items() if found.count and math.isfinite(found.value)}
        return {name: MetricValue(value=found.value, count=found.count) for name, found in defined.items()}

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """Train for a round, from the incoming weights and the carried state, or from the checkpoint."""
        from wardround.engine.training import CheckpointPlan, DivergedError, Halted, StepRecord

        def told(record: StepRecord) -> None:
            watch.on_step(record.step + 1, record.loss)

        # The old one goes before the new one comes: a device need not have room for two.
        self._made = None
        learner = self._learner
        learner.load_weights(_tensors(job.model))
        if _OPTIMIZER in job.carried:
            learner.load_optimizer_state(job.carried[_OPTIMIZER])
        half = half_of(self._strategy, learner, range(job.start, job.stop), job.shared, job.carried)
        plan = CheckpointPlan(
            job.checkpoint,
            job.identity,
            every_seconds=job.every_seconds,
            at_most_seconds=job.at_most_seconds,
            on_saved=watch.on_checkpoint,
        )
        try:
            loss = learner.train(
                self._bench.source(), job.start, job.stop, on_step=told, halt=watch.halt, checkpoint=plan, hook=half
            )
        except Halted as halted:
            raise HaltedError(str(halted)) from None
        except DivergedError as error:
            raise Refusal(RefusalCode.TRAINING_DIVERGED, str(error)) from error
        sent = half.finish(learner.network)
        carried = {_OPTIMIZER: learner.optimizer_state(), **blobs_of(sent)}
        return Trained(_arrays(learner.weights()), carried, loss, sent.shared, sent.numbers)


def _held(pins: CohortPins) -> PinnedCohort | None:
    """The cohort that work began with, if it has begun."""
    try:
        return pins.read()
    except InputError as error:
        raise Refusal(RefusalCode.ACCOUNT_DAMAGED, str(error)) from None


def _filled(settings: SiteSettings, agreement: Agreement, known: Assignment | None) -> Workbench:
    """The cohort, checked, split as it was before, and preprocessed."""
    from wardround.engine.experiments.workbench import Survey, Workbench

    plan = agreement.plan
    with mended_at_a_site():
        survey = Survey.of(
            agreement.study,
            settings.manifest,
            folds=plan.fold,
            known=known,
            device=settings.device,
            threads=settings.threads,
        )
    try:
        require_patients(plan, survey.cohort)
    except InputError as error:
        raise Refusal(RefusalCode.PATIENTS_UNKNOWN, str(error)) from None
    return Workbench.fill(survey, settings.work, settings.store_limit)


def pin_of(bench: Workbench) -> PinnedCohort:
    """What is kept of a cohort: its name, its rows, and who is in which set."""
    from wardround.engine.preprocessing import Pipeline

    name = bench.assignment.digest_of_subject
    cases = {name(subject): case.digest for subject, case in bench.stored.items()}
    steps = Pipeline(bench.study).versions
    return PinnedCohort(cohort=bench.cohort_digest, cases=cases, assignment=bench.assignment, steps=steps)


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in weights.items()}


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    import torch

    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _fingerprint(bench: Workbench, manifest: Path) -> str:
    files = {str(path) for case in bench.cohort.cases for path in case.files}
    return sha256_hex(canonical_json([file_sha256(manifest), *(_stat(path) for path in sorted(files))]))


def _stat(path: str) -> str:
    try:
        state = state_of(Path(path))
        return f"{path} {state.size} {state.modified} {state.changed} {sampled_digest(Path(path))}"
    except OSError as error:
        return f"{path} {error.errno}"

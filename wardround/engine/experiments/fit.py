"""Training of one split: segments of steps, each followed by a validation, resumable at any moment."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, canonical_model, sha256_hex
from wardround.engine.basics.files import write_atomic, write_checked
from wardround.engine.basics.printable import complain
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Progress
from wardround.engine.basics.signals import halting
from wardround.engine.basics.sole import sole
from wardround.engine.experiments.casetables import CASES, write_cases
from wardround.engine.experiments.choosing_steps import choose_steps
from wardround.engine.experiments.chosen_steps import CHOSEN
from wardround.engine.experiments.claims import RUN, another_run, keep_study
from wardround.engine.experiments.history import Board, HistoryRow, Memory, defined, write_history
from wardround.engine.experiments.judging import Judge
from wardround.engine.experiments.models import BEST, LAST, METRICS, STUDY, other_steps, write_study, write_weights
from wardround.engine.experiments.run_length import RunLength, run_length
from wardround.engine.experiments.run_record import Metrics, RunRecord, Scores, naming, read_metrics, read_record
from wardround.engine.experiments.stretch import NO_STRETCH, Stretch
from wardround.engine.experiments.tracking.describing import final_scores
from wardround.engine.experiments.tracking.following import UNTRACKED, Tracking
from wardround.engine.experiments.workbench import SILENT, Subset, Workbench
from wardround.engine.inference import quick
from wardround.engine.metrics.scores import Evaluation
from wardround.engine.study import Study
from wardround.engine.study.sections import Inference
from wardround.engine.training import (
    CheckpointPlan,
    Halted,
    Learner,
    Machine,
    Position,
    StepRecord,
    read_tensors,
    remove_checkpoint,
    this_machine,
)
from wardround.engine.training.pace import Pace

_LOG = logging.getLogger(__name__)
_CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: the run folder; the model is in `folder / "model"`.
        metrics: what `metrics.json` says.
        rows: the history.
    """

    folder: Path
    metrics: Metrics
    rows: tuple[HistoryRow, ...]

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.folder / "model"


def fit(workbench: Workbench, folder: Path, shown: Progress = SILENT, tracking: Tracking = UNTRACKED) -> RunResult:
    """Train one split to the end and score its best weights; or go on where an earlier call was interrupted.

    The best weights are those of the best validation among those at which the selecting metric is defined; if it is at
    none, those of the last step take their place. Validations during training predict with `inference.quick`; the
    chosen weights are scored with the study's settings.
    Ctrl-C and SIGTERM save a checkpoint. A folder whose run is finished is not touched. The result does not depend on
    how often a run was interrupted, nor on what becomes of the trackers that are told of it.

    Raises:
        InputError: the folder holds another run, another process works in it, or a case cannot be read.
        Halted: a signal came; the same call goes on.
    """
    known = finished_run(workbench, folder)
    if known is not None:
        return known
    run = _Run(workbench, folder)
    with sole(folder):
        run.claim()
        return _result(folder) or _trained(run, workbench, shown, tracking)


def finished_run(workbench: Workbench, folder: Path) -> RunResult | None:
    """The result of this split's run where it is finished, else None. No case has to be prepared for it.

    Raises `InputError` where the folder holds another run that is finished.
    """
    path = folder / RUN
    if not path.exists() or not _is_finished(folder):
        return None
    record = read_record(folder)
    # How many steps a run has follows from its study, cohort and split, which are all compared.
    _require_same(record, workbench, folder, record)
    return _result(folder)


def tell_trackers(study: Study, result: RunResult, tracking: Tracking) -> None:
    """Send trackers what they lack of a finished run."""
    with tracking.following(result.folder, study, result.rows) as crowd:
        crowd.conclude(final_scores(result.metrics))


def _trained(run: _Run, workbench: Workbench, shown: Progress, tracking: Tracking) -> RunResult:
    memory = run.resume()
    workbench.team.tell(run.folder.name.encode())
    with (
        tracking.following(run.folder, workbench.study, memory.rows) as crowd,
        Board(run.folder / "tensorboard", memory.done) as board,
    ):
        for start, stop in run.length.segments(memory.done):
            if run.judge.is_over(memory, run.length):
                break
            memory = run.segment(memory, start, stop, shown)
            board.add(memory.rows[-1])
            crowd.add(memory.rows[-1])
        workbench.team.tell(NO_STRETCH)
        result = run.finish(memory, shown)
        crowd.conclude(final_scores(result.metrics))
    return result


def planned_length(workbench: Workbench) -> RunLength:
    """The steps that `fit` will run."""
    steps_per_epoch = workbench.source().steps_per_epoch
    shapes = [case.geometry.shape for case in workbench.validation_cases]
    return run_length(workbench.study, steps_per_epoch, shapes)


@dataclass(frozen=True)
class _Scoring:
    """Tells whoever watches a training's steps how far the scoring of cases after one of them is.

    Attributes:
        shown: of the steps.
        step: after which cases are scored.
        what: is done, in words.
        cases: how many there are.
    """

    shown: Progress
    step: int
    what: str
    cases: int

    def advance(self, done: int, note: str = "") -> None:
        """So many cases are scored."""
        self.shown.advance(self.step, f"{self.what} {done} of {self.cases}")


class _Run:
    """One run folder and the learner that works in it."""

    def __init__(self, workbench: Workbench, folder: Path) -> None:
        self._workbench, self.folder = workbench, folder
        self._source = workbench.source()
        self.length: RunLength = planned_length(workbench)
        self._learner: Learner = workbench.learner(self.length.total_steps)
        self._identity = run_identity(workbench, self.length)
        self._pace = Pace()
        self.judge = Judge(workbench.study)

    def claim(self) -> None:
        """Write the run's record, or check that the folder holds this very run."""
        path = self.folder / RUN
        if path.exists():
            self._check(read_record(self.folder))
            return
        record = RunRecord(
            identity=self._identity,
            study=self._workbench.study.digest,
            cohort=self._workbench.cohort_digest,
            total_steps=self.length.total_steps,
            validate_every=self.length.validate_every,
            machine=self._machine(),
            steps=self._workbench.pipeline.versions,
            fitted=self._workbench.state.digest,
            start=_start_of(self._workbench),
        )
        write_checked(path, canonical_model(record))
        keep_study(self.folder, self._workbench.study)

    def _check(self, record: RunRecord) -> None:
        _require_same(record, self._workbench, self.folder, self.length)
        if record.machine != self._machine():
            _LOG.warning(
                "This run began with %s and goes on with %s: its last bits may differ.", record.machine, self._machine()
            )

    def resume(self) -> Memory:
        """Load the newest checkpoint, if there is one, and the run's memory from it."""
        position = self._learner.resume(self._plan(Memory()))
        if position is None:
            return Memory()
        complain(f"{self.folder.name} goes on after step {position.step} of {self.length.total_steps}")
        return Memory.model_validate(position.note)

    def segment(self, memory: Memory, start: int, stop: int, shown: Progress) -> Memory:
        """Train from `start` to `stop`, validate, keep the best weights, and save."""
        began = time.perf_counter()
        self._learner.rate_scale = self.judge.rate_scale(memory)
        loss = self._train(memory, start, stop, shown)
        trained = time.perf_counter()
        shown.advance(stop, f"loss {loss:.4f}, validating")
        settings = quick(self._workbench.study.inference)
        with self._learner.averaged():
            watched = self._scoring("validation", stop, f"loss {loss:.4f}, validating", shown)
            evaluation = self._workbench.evaluate(self._learner, "validation", watched, inference=settings)
        seconds = trained - began, time.perf_counter() - trained
        _LOG.debug("up to step %d: %.1f s of training, %.1f s of validation", stop, *seconds)
        row = HistoryRow(
            step=stop,
            epoch=stop / self.length.steps_per_epoch,
            loss=loss,
            learning_rate=self._learner.learning_rate(stop - 1),
            seconds=time.perf_counter() - began,
            metrics=defined(evaluation),
        )
        after = self.judge.after(memory, row)
        if after.best == stop:
            self._write_weights(BEST, stop)
        plan = self._plan(after)
        if plan.pace.affordable:
            self._learner.save(plan, Position(identity=self._identity, step=stop, note=plan.note))
        write_history(self.folder, after.rows)
        return after

    def _scoring(self, subset: Subset, step: int, what: str, shown: Progress) -> _Scoring:
        cases = {"validation": self._workbench.validation_cases, "test": self._workbench.test_cases}[subset]
        return _Scoring(shown, step, what, len(cases))

    def finish(self, memory: Memory, shown: Progress) -> RunResult:
        """Write the model folder, score the chosen weights once on the test set, and remove the checkpoint."""
        write_study(self.folder / "model" / STUDY, self._workbench.study)
        self._write_weights(LAST, memory.done)
        if memory.best is None:
            self._write_weights(BEST, memory.done)
        best = read_tensors(self.folder / "model" / BEST)
        self._learner.load_weights(best.tensors)
        settings = self._inference()
        evaluations: dict[str, Evaluation] = {
            name: self._workbench.evaluate(
                self._learner, name, self._scoring(name, memory.done, f"scoring {name}", shown), inference=settings
            )
            for name in self._scored()
        }
        metrics = Metrics(
            study=self._workbench.study.digest,
            best_step=memory.best,
            total_steps=self.length.total_steps,
            train_cases=len(self._workbench.train_cases),
            validation=_scores(evaluations["validation"]),
            test=_scores(evaluations["test"]) if "test" in evaluations else None,
            machine=self._machine(),
            chosen=""
            if memory.best is not None
            else f"the last weights: {self.judge.metric} was undefined at every validation",
            stopped=memory.done if memory.done < self.length.total_steps else None,
        )
        write_history(self.folder, memory.rows)
        write_cases(self.folder / CASES, evaluations)
        write_atomic(self.folder / "model" / METRICS, canonical_model(metrics))
        remove_checkpoint(self.folder / _CHECKPOINT)
        return RunResult(self.folder, metrics, memory.rows)

    def _inference(self) -> Inference:
        """How the chosen weights predict: with the post-processing that helps them on the validation cases."""
        study, bench, learner = self._workbench.study, self._workbench, self._learner
        if not study.inference.undecided:
            return study.inference
        cases = bench.validation_cases
        chosen = choose_steps(self.judge, learner.task, learner.network, cases, learner.device)
        write_atomic(self.folder / "model" / CHOSEN, canonical_model(chosen))
        return study.inference.model_copy(update={"postprocessing": chosen.kept_of(study)})

    def _train(self, memory: Memory, start: int, stop: int, shown: Progress) -> float:
        plan = self._plan(memory)
        self._workbench.team.tell(Stretch(start=start, stop=stop, rate_scale=self._learner.rate_scale).to_bytes())

        def on_step(record: StepRecord) -> None:
            shown.advance(record.step + 1, f"loss {record.loss:.4f}")

        with halting() as halt:
            loss = self._learner.train(self._source, start, stop, on_step=on_step, halt=halt, checkpoint=plan)
            if self._workbench.team.any(halt()):
                raise Halted(stop)
        return loss

    def _scored(self) -> tuple[Subset, ...]:
        return ("validation", "test") if self._workbench.test_cases else ("validation",)

    def _write_weights(self, name: str, step: int) -> None:
        bench = self._workbench
        with self._learner.averaged():
            weights = self._learner.weights()
        write_weights(self.folder / "model" / name, bench.study, weights, step, bench.state)

    def _plan(self, memory: Memory) -> CheckpointPlan:
        note = memory.model_dump(mode="json")
        return CheckpointPlan(self.folder / _CHECKPOINT, self._identity, note=note, pace=self._pace)

    def _machine(self) -> Machine:
        return this_machine(self._learner.device, self._learner.precision, self._workbench.team.size)


def _is_finished(folder: Path) -> bool:
    """Whether nothing is left to be done: `metrics.json` is written last."""
    return (folder / "model" / METRICS).exists()


def _result(folder: Path) -> RunResult | None:
    """The result of the run in a folder, if it is finished."""
    if not _is_finished(folder):
        return None
    metrics, history = read_metrics(folder), folder / "history.jsonl"
    with naming(history):
        rows = tuple(HistoryRow.model_validate_json(line) for line in history.read_bytes().splitlines())
    return RunResult(folder, metrics, rows)


def _require_same(record: RunRecord, workbench: Workbench, folder: Path, length: RunLength | RunRecord) -> None:
    """Raise `InputError` unless a folder's record is that of this very run; say what has changed in its making."""
    if record.identity != run_identity(workbench, length):
        same = record.cohort == workbench.cohort_digest
        steps = record.total_steps, length.total_steps
        starts = record.start, _start_of(workbench)
        raise InputError([another_run(folder, workbench.study, cohort=same, steps=steps, starts=starts)])
    if record.fitted != workbench.state.digest:
        raise InputError.one(
            "the training cases give other fitted values than those that this run began with",
            where=str(folder),
            got=workbench.state.digest[:12] or "none",
            expected=record.fitted[:12] or "none",
            remedy="Go on with the release that began the run, or name another folder with --out",
        )
    header: JsonValue = {"steps": dict(record.steps)} if record.steps else {}
    for notice in other_steps(workbench.study, header, folder):
        _LOG.warning("%s", notice.render())


def run_identity(workbench: Workbench, length: RunLength | RunRecord) -> str:
    """SHA-256 that names a run by its content: study, cohort, the split's three sets, steps and validations, and the
    weights that it starts from, if there are any."""
    parts = (workbench.split.train, workbench.split.validation, workbench.split.test)
    start = {} if workbench.start is None else {"start": workbench.start.digest}
    return sha256_hex(
        canonical_json(
            {
                **start,
                "study": workbench.study.digest,
                "cohort": workbench.cohort_digest,
                "split": [[*sorted(workbench.unfitted[case.subject].digest for case in cases)] for cases in parts],
                "steps": [length.total_steps, length.validate_every],
            }
        )
    )


def _start_of(workbench: Workbench) -> str:
    return "" if workbench.start is None else workbench.start.digest


def _scores(evaluation: Evaluation) -> Scores:
    return Scores(cases=len(evaluation.cases), values=defined(evaluation))

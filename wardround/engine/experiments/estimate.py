"""What a run will take: one case is preprocessed and a few steps run on throw-away weights."""

from __future__ import annotations

import contextlib
import heapq
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.files import taken_bytes
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case
from wardround.engine.experiments.run_length import RunLength, run_length
from wardround.engine.experiments.workbench import Survey
from wardround.engine.imaging.image import Image
from wardround.engine.inference import quick
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitting import before_fitting, fit_to, fitted_places
from wardround.engine.sampling import PatchSource
from wardround.engine.sampling.order import samples_per_epoch
from wardround.engine.sampling.share import WHOLE, Share
from wardround.engine.store import CaseStore
from wardround.engine.store.case import StoredCase
from wardround.engine.store.entries import foreground_of
from wardround.engine.study import Study
from wardround.engine.targets import target_of
from wardround.engine.training import Learner

_TIMED_STEPS = 2  # the first of them makes everything ready
_TIMED_CASES = 9
_LONG_SECONDS = 5.0
# Two checkpoints of weights and two moments each while it trains; best and last weights at the end.
_COPIES_OF_WEIGHTS = 2 * 3 + 2


class UnreadableCaseError(InputError):
    """The case that was to tell how long a run takes cannot be used."""


@dataclass(frozen=True)
class Estimate:
    """What one split of a run takes.

    Attributes:
        total_steps: steps of the run.
        validations: how often it validates.
        step_seconds: of one step.
        prepare_seconds: to preprocess all cases, if none is in the store yet.
        train_seconds: for all steps and validations.
        store_bytes: the preprocessed cases.
        run_bytes: checkpoints and weights.
    """

    total_steps: int
    validations: int
    step_seconds: float
    prepare_seconds: float
    train_seconds: float
    store_bytes: int
    run_bytes: int

    @property
    def seconds(self) -> float:
        """Everything."""
        return self.prepare_seconds + self.train_seconds

    @property
    def disk_bytes(self) -> int:
        """Everything."""
        return self.store_bytes + self.run_bytes


def estimate(survey: Survey, work: Path, share: Share = WHOLE) -> Estimate:
    """Preprocess the largest training cases into the store under `work`, and time steps and a prediction on the first.

    Where several processes train together a step is timed with this one's share of a batch, which may be all that its
    device has room for. Raises `UnreadableCaseError`, an `InputError`, if the first cannot be read.
    """
    cases = heapq.nlargest(_TIMED_CASES, survey.split.train, key=lambda case: _voxels(survey, case))
    unfitted, seconds = _prepared(before_fitting(survey.study), cases, CaseStore(work / "store"))
    stored = _as_if_fitted(survey.study, unfitted)
    weight = sum(_voxels(survey, each) for each in survey.cohort.cases) / _voxels(survey, cases[0])
    length = _length(survey, stored)
    learner = Learner.create(_of_share(survey.study, share), length.total_steps, device=str(survey.device))
    step, scoring = _step_seconds(learner, stored), _scoring_seconds(learner, stored)
    return Estimate(
        total_steps=length.total_steps,
        validations=length.validations,
        step_seconds=step,
        prepare_seconds=seconds * weight,
        train_seconds=step * length.total_steps + scoring * len(survey.split.validation) * length.validations,
        store_bytes=int(taken_bytes(unfitted.folder) * weight) if survey.study.inputs else 0,
        run_bytes=_COPIES_OF_WEIGHTS * sum(tensor.nbytes for tensor in learner.weights().values()),
    )


def _prepared(study: Study, cases: Sequence[Case], store: CaseStore) -> tuple[StoredCase, float]:
    """The first case in the store, and the seconds that a case takes.

    Libraries are loaded with the first one, which for a small image takes a hundred times as long as its own work. So
    the others tell, which are built as all will be; big cases are not waited for again.
    """
    began = time.perf_counter()
    try:
        stored = store.open_case(study, cases[0])
    except InputError as error:
        raise UnreadableCaseError(error.problems) from None
    seconds, others = time.perf_counter() - began, cases[1:]
    if others and seconds <= _LONG_SECONDS:
        with contextlib.suppress(InputError):  # told with all others when the store is filled
            began = time.perf_counter()
            store.open_cases(study, others)
            seconds = (time.perf_counter() - began) / len(others)
    return stored, seconds


def _as_if_fitted(study: Study, unfitted: StoredCase) -> StoredCase:
    """A case as the study makes it when its fitted steps learn from this case alone: its values have the right size.

    A case that they can learn nothing from, without foreground or contrast, stays as it is: it takes as long.
    """
    places = fitted_places(study)
    if not places:
        return unfitted
    sample = Sample(Image(unfitted.image, unfitted.geometry), unfitted.label, unfitted.cut_to, unfitted.wanted_image)
    try:
        pipeline = Pipeline(study, fit_to(study, [sample]))
        ready = pipeline.apply_between(places[0], len(study.preprocessing), [sample])
    except InputError:
        return unfitted
    return StoredCase(
        digest=unfitted.digest,
        image=ready.image.data,
        label=ready.label,
        foreground={} if ready.label is None else foreground_of(ready.label, unfitted.digest, study.ignored_class),
        geometry=ready.image.geometry,
        native=unfitted.native,
        cut_to=ready.cut_to,
        target=unfitted.target,
        numbers=unfitted.numbers,
        columns=unfitted.columns,
        folder=unfitted.folder,
        wanted_image=ready.wanted,
    )


def _length(survey: Survey, stored: StoredCase) -> RunLength:
    study = survey.study
    target = target_of(study)
    samples = samples_per_epoch(study, [target.told(study, case.value).category for case in survey.split.train])
    steps_per_epoch = math.ceil(samples / study.training.samples_per_step)
    native = (survey.inspection.grids[case.subject] for case in survey.split.validation)
    grids = (preprocessed_grid(study, grid) or stored.geometry for grid in native)
    return run_length(study, steps_per_epoch, [grid.shape for grid in grids])


def _voxels(survey: Survey, case: Case) -> int:
    return math.prod(survey.inspection.grids[case.subject].shape)


def _of_share(study: Study, share: Share) -> Study:
    """The study with batches of a share's size."""
    training = study.training.model_copy(update={"batch_size": share.of(study.training.batch_size)})
    return study.model_copy(update={"training": training})


def _step_seconds(learner: Learner, stored: StoredCase) -> float:
    """Seconds of the quickest of a few steps, each by itself: only at the end of a piece has a device done it all."""
    source = PatchSource(learner.study, [stored])
    seconds: list[float] = []
    for step in range(min(_TIMED_STEPS, learner.total_steps)):
        began = time.perf_counter()
        learner.train(source, step, step + 1)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _scoring_seconds(learner: Learner, stored: StoredCase) -> float:
    """Seconds in which a case is scored; classifications run in batches. Of a short first time most goes into loading
    libraries, so that a second one counts."""
    settings = quick(learner.study.inference)
    count = learner.task.together(settings)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        learner.task.evaluate(learner.network, [stored] * count, [""] * count, learner.device, inference=settings)
        seconds = time.perf_counter() - began
        if seconds > _LONG_SECONDS:
            break
    return seconds / count

"""What every part is held against, by its kind: for its author's tests, as scikit-learn's `check_estimator`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch

from wardround.engine.augmentation import Augmentation, GeometricTransform, IntensityTransform
from wardround.engine.basics.problems import Problem
from wardround.engine.metrics import build_metrics, mask_scores
from wardround.engine.parts import STUDY_KINDS, BreachError, Kind, Part
from wardround.engine.study import Study
from wardround.engine.targets import Written, target_of
from wardround.engine.tasks import build_task
from wardround.engine.trial.attempt import Attempts
from wardround.engine.trial.descent import require_factors, require_resumable, require_step
from wardround.engine.trial.example import studies_with
from wardround.engine.trial.losses import try_loss
from wardround.engine.trial.material import Sizes, batch_of
from wardround.engine.trial.networks import slim, try_network
from wardround.engine.trial.postprocessing import require_settled, try_postprocessing
from wardround.engine.trial.rows import require_row
from wardround.engine.trial.scores import made_up_masks, try_metrics
from wardround.engine.trial.steps import require_other_channels_kept, try_odd_cases, try_steps
from wardround.engine.trial.tasks import try_task
from wardround.engine.trial.transforms import require_one_geometry, try_transforms, with_draws
from wardround.engine.trial.variants import (
    require_every_norm,
    require_gradients,
    require_kept_weights,
    require_learning,
    require_same_weights,
    variants_of,
)

_SIDE, _SAMPLES = 12, 3
_LEARNT = 16
"""Sides of what a step is taken on; the usual network divides them."""
_CLOSE = 1e-5


def check_part(part: Part) -> tuple[Problem, ...]:
    """What does not hold of an installed part: of its row, of its parameters, and of what it does in a small study.

    The study is one of volumes or of flat images with the usual parts beside it. Of a strategy the row alone is looked
    at: `aggregator check` tries what it does.
    """
    attempts = Attempts()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        with attempts.of(part):
            require_row(part)
            _require_callable(part)
            if part.kind in STUDY_KINDS:
                attempts.problems.extend(_least_wrong(part, studies_with(part)))
    return tuple(attempts.problems)


def _least_wrong(part: Part, studies: Sequence[Study]) -> list[Problem]:
    """What does not hold in any of the studies, as the first of them shows it."""
    found = []
    for study in studies:
        attempts = Attempts()
        with attempts.of(part):
            _CHECKS[part.kind](study, attempts)
        found.append(attempts.problems)
    return found[0] if all(found) else []


def _require_callable(part: Part) -> None:
    found = part.load()
    if not callable(found):
        raise BreachError(f"a {type(found).__name__} as its implementation", "a class or a function")


def _steps(study: Study, attempts: Attempts) -> None:
    """Odd cases are refused in words, or come out whole; and some channels may be meant alone."""
    try_steps(study, attempts)
    try_odd_cases(study, attempts)
    require_other_channels_kept(study)


def _transform(study: Study, attempts: Attempts) -> None:
    """Each sample of a batch is what it is alone: a batch is only a matter of speed. All truth moves together."""
    try_transforms(study, Sizes.of(study), attempts)
    augmentation = Augmentation(study)
    batch = with_draws(augmentation, batch_of(study, (_SIDE,) * study.dimensions, _SAMPLES))
    together = augmentation(batch)
    for place in range(_SAMPLES):
        alone = augmentation(batch.one(place))
        if not torch.allclose(together.image[place], alone.image[0], atol=_CLOSE, rtol=_CLOSE):
            raise BreachError("a sample that is another one beside others", "what it is alone, as drawn for its key")
    (use,) = study.augmentation
    made = use.part(Kind.AUGMENTATION).make(use.parameters)
    # One that has `apply` alone may mean other things by a label.
    if together.label is not None and isinstance(made, GeometricTransform | IntensityTransform):
        require_one_geometry(augmentation, batch)


def _network(study: Study, attempts: Attempts) -> None:
    """What holds of a network in volumes and in flat images, with each norm, and with deep supervision if it has it."""
    study, sizes = slim(study), Sizes.of(study)
    network = try_network(study, sizes, attempts)
    if network is None or attempts.problems:
        return
    require_same_weights(study)
    require_gradients(study, network, sizes)
    require_kept_weights(study, network, sizes)
    require_every_norm(study)
    if target_of(study).written is Written.IMAGE:
        require_learning(study, sizes.small)
    for variant in variants_of(study):
        tried = try_network(variant, Sizes.of(variant), attempts)
        if tried is not None and not attempts.problems:
            require_gradients(variant, tried, Sizes.of(variant))


def _loss(study: Study, attempts: Attempts) -> None:
    """Of images that are made a step is taken too: a loss may learn beside the network."""
    try_loss(study, Sizes.of(study), attempts)
    if not attempts.problems and target_of(study).written is Written.IMAGE:
        require_learning(slim(study), (_LEARNT,) * study.dimensions)


def _metric(study: Study, attempts: Attempts) -> None:
    """No prediction is better than the truth itself."""
    try_metrics(study, attempts)
    if attempts.problems or not target_of(study).on_grid or target_of(study).written is not Written.FILE:
        return
    (use,), metrics = study.validation.metrics, build_metrics(study)
    sign = 1 if use.part(Kind.METRIC).higher_is_better else -1
    for prediction, truth in made_up_masks(study):
        spacing = (1.0,) * study.dimensions
        perfect = mask_scores(study, metrics, truth, truth, spacing)
        for name, value in mask_scores(study, metrics, prediction, truth, spacing).items():
            if name in perfect and sign * value > sign * perfect[name]:
                got = f"{name} = {value:g}, and {perfect[name]:g} for the truth itself"
                raise BreachError(got, "no better score than that of the truth, or the other `higher_is_better`")


def _optimizer(study: Study, attempts: Attempts) -> None:
    """It steps, and goes on from its state as if it had never stopped."""
    require_step(study, [])
    require_resumable(study)


def _schedule(study: Study, attempts: Attempts) -> None:
    require_factors(study)


def _postprocessing(study: Study, attempts: Attempts) -> None:
    """It gives classes of the study, of volumes and of flat images, and changes what has settled no more."""
    try_postprocessing(study, attempts)
    if not attempts.problems:
        require_settled(study)


def _task(study: Study, attempts: Attempts) -> None:
    """Its kind of truth is what it says of itself, and it is made from a study."""
    try_task(study, (_SIDE,) * study.dimensions, attempts)
    build_task(study)


_CHECKS: Mapping[Kind, Callable[[Study, Attempts], None]] = {
    Kind.PREPROCESSING: _steps,
    Kind.AUGMENTATION: _transform,
    Kind.NETWORK: _network,
    Kind.LOSS: _loss,
    Kind.METRIC: _metric,
    Kind.OPTIMIZER: _optimizer,
    Kind.SCHEDULE: _schedule,
    Kind.POSTPROCESSING: _postprocessing,
    Kind.TASK: _task,
}

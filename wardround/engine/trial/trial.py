"""Every part of a study in the order of its work."""

from __future__ import annotations

import warnings

import torch

from wardround.engine.basics.problems import Problem
from wardround.engine.study import Study
from wardround.engine.trial.attempt import Attempts
from wardround.engine.trial.descent import try_descent
from wardround.engine.trial.losses import try_loss
from wardround.engine.trial.material import Sizes
from wardround.engine.trial.networks import try_network
from wardround.engine.trial.postprocessing import try_postprocessing
from wardround.engine.trial.scores import try_metrics
from wardround.engine.trial.steps import try_steps
from wardround.engine.trial.tasks import try_task
from wardround.engine.trial.transforms import try_transforms


def trial_pass(study: Study) -> tuple[Problem, ...]:
    """Build every part that a study names and let it work once, on the CPU; what is wrong, part by part.

    The images are made for it and small, whatever the study's patch is, so that it takes about a second. A part of an
    installed package is named with its package. Random states are left as they are.
    """
    attempts, sizes = Attempts(), Sizes.of(study)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library's remarks on a batch of two say nothing of the study
        torch.manual_seed(0)
        try_task(study, sizes.small, attempts)
        try_steps(study, attempts)
        try_transforms(study, sizes, attempts)
        network = try_network(study, sizes, attempts)
        try_loss(study, sizes, attempts)
        try_descent(study, network, attempts)
        try_metrics(study, attempts)
        try_postprocessing(study, attempts)
    return tuple(attempts.problems)

"""Whether this installation's parts do what the accepted study asks of them."""

from __future__ import annotations

from dataclasses import replace

from wardround.engine.basics.problems import Problem
from wardround.engine.study import Study


def tried(study: Study) -> list[Problem]:
    """What is wrong with the parts that a study names, each tried once on a small case that is made for it."""
    from wardround.engine.trial import trial_pass

    return [replace(problem, where=f"study {study.study}, {problem.where}") for problem in trial_pass(study)]

"""What of a study only a hospital's own run can do, so that a federation refuses it."""

from __future__ import annotations

from collections.abc import Iterator

from wardround.engine.basics.problems import Problem
from wardround.engine.parts import Kind
from wardround.engine.parts.optimization import schedule_of
from wardround.engine.study import Study


def of_own_runs(study: Study) -> Iterator[Problem]:
    """Each key of the study that would mean something else in a federation; loads no torch."""
    training = study.training
    if training.ema is not None:
        yield Problem(
            "the moving average of weights is kept at one hospital, and is not what a federation hands out",
            where="training.ema",
            got=f"{training.ema:g}",
            expected="no `ema` in a federation: its rounds take the mean of the weights themselves",
            remedy="Take the line out of the study",
        )
    if training.start is not None:
        yield Problem(
            "an asset lies at one hospital, and a federation begins with one model for all",
            where="training.start",
            got=training.start.asset,
            expected="no `start` in a federation",
            remedy="Take the line out of the study, train a step from the asset with `wardround fit`, and name that "
            "model folder as `initial` in the federation file",
        )
    for place in study.inference.undecided:
        name = study.inference.postprocessing[place].name
        yield Problem(
            "whether a step of post-processing helps is found out on the validation cases of one hospital",
            where=f"inference.postprocessing.{place}.{name}.when",
            got="helps",
            expected="`when: always` in a federation",
            remedy="Take the line out, so that the step is always applied, or take out the step",
        )
    if training.schedule.ask(Kind.SCHEDULE, lambda parameters: schedule_of(parameters).needs_scores):
        yield Problem(
            f"the schedule {training.schedule.name!r} follows the validations of a whole run, which no site of a "
            "federation has: each would go its own way",
            where="training.schedule",
            got=training.schedule.name,
            expected="a schedule that depends on the step alone",
            remedy="Write for example `schedule: cosine` or `schedule: poly`",
        )

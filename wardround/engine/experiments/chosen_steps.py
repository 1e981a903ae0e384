"""`postprocessing.json` of a model folder: which steps of post-processing were kept because they help."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.releases import later_release
from wardround.engine.parts import Kind
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse

CHOSEN = "postprocessing.json"


class TriedStep(Closed):
    """A step that was tried on the validation cases, after those before it that were kept.

    `without` and `beside` are the selecting metric without it and with it, None where that is undefined.
    """

    place: int
    name: str
    kept: bool
    without: float | None
    beside: float | None


class ChosenSteps(Closed):
    """What became of each step of a study that is kept only if it helps."""

    study: str
    metric: str
    steps: tuple[TriedStep, ...]

    def kept_of(self, study: Study) -> tuple[PartUse, ...]:
        """The study's steps without those that did not help; each as one that is always applied."""
        dropped = {step.place for step in self.steps if not step.kept}
        named = enumerate(study.inference.postprocessing)
        return tuple(always(use) for place, use in named if place not in dropped)

    @property
    def spoken(self) -> str:
        """For people, in a line."""
        return "; ".join(_spoken(step, self.metric) for step in self.steps)


def always(use: PartUse) -> PartUse:
    """A step that is applied whatever it does to scores."""
    if use.ask(Kind.POSTPROCESSING, lambda parameters: getattr(parameters, "when", "always")) == "always":
        return use
    return use.model_copy(update={"parameters": use.parameters.model_copy(update={"when": "always"})})


def read_chosen(folder: Path) -> ChosenSteps | None:
    """What a model folder says; None where it says nothing. Raises `InputError` where that cannot be read."""
    path = folder / CHOSEN
    try:
        return ChosenSteps.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise later_release(error, path) or InputError.one(
            "the record of which post-processing helps is damaged",
            where=str(path),
            remedy="Restore it from a copy; without the file no step is applied that has `when: helps`",
        ) from None


def kept_steps(study: Study, folder: Path) -> tuple[tuple[PartUse, ...], tuple[Problem, ...]]:
    """The post-processing that a model folder's study names and its record has kept, and what is to be known of it.

    Raises `InputError` where the record is that of another study.
    """
    if not study.inference.undecided:
        return study.inference.postprocessing, ()
    chosen = read_chosen(folder)
    if chosen is None:
        names = ", ".join(study.inference.postprocessing[place].name for place in study.inference.undecided)
        what = "nothing says which steps of post-processing help, and none of these is applied"
        remedy = f"Copy {CHOSEN} of the model, or train it to the end with `wardround fit`"
        return study.inference.decided, (Problem(what, str(folder), names, f"a file {CHOSEN}", remedy),)
    if chosen.study != study.digest or {step.place for step in chosen.steps} != {*study.inference.undecided}:
        what, remedy = "the record of which post-processing helps is that of another study", "Copy the right file"
        raise InputError.one(what, where=str(folder / CHOSEN), remedy=remedy)
    return chosen.kept_of(study), ()


def _spoken(step: TriedStep, metric: str) -> str:
    without, beside = ("undefined" if value is None else f"{value:.4f}" for value in (step.without, step.beside))
    return f"{step.name} {'kept' if step.kept else 'left out'}: {metric} {beside} with it, {without} without"

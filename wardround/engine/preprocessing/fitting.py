"""Preprocessing is fitted in passes over the training cases: at one hospital and at many by the same function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, Self

from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, Part, answering
from wardround.engine.parts.preprocessing.fitted import FittedParameters, Within
from wardround.engine.preprocessing.fitted import EMPTY, ChannelState, FittedState, Scale, StepState, channels_of
from wardround.engine.preprocessing.fitted import fitted_places as fitted_places
from wardround.engine.preprocessing.pipeline import Pipeline
from wardround.engine.preprocessing.requests import BINS, Ask, AskHistogram, AskKind, AskMoments, CohortSummary, Request
from wardround.engine.preprocessing.sample import FittableStep, Sample, naming_step
from wardround.engine.preprocessing.tables import column_scales
from wardround.engine.study import Study
from wardround.engine.study.tabular import numbers_of
from wardround.engine.summaries import Moments
from wardround.engine.summaries.octaves import is_edge
from wardround.engine.targets import target_of
from wardround.engine.targets.numbers import LEAST_SPREAD

VOXELS: Mapping[Within, str] = {
    "all": "all voxels",
    "nonzero": "the nonzero voxels",
    "foreground": "the voxels of classes",
}
"""Which voxels count, in words."""


def before_fitting(study: Study) -> Study:
    """The study with those steps alone that come before the first fitted one: what no state can change. The study
    itself where nothing is fitted."""
    places = fitted_places(study)
    return study.model_copy(update={"preprocessing": study.preprocessing[: places[0]]}) if places else study


@dataclass(frozen=True)
class Expected:
    """What is known of a question before anything was answered: all but the ranges and states that follow from answers.

    `known` are the places of the steps that are fitted by then, `channels` as those of a request.
    """

    place: int | None
    within: Within
    parts: int
    kind: AskKind
    known: tuple[int, ...]
    channels: tuple[int, ...] = ()
    about: str = "truth"

    def admits(self, request: Request) -> bool:
        """Whether a request can be this question."""
        return (
            (request.place, request.within, request.parts) == (self.place, self.within, self.parts)
            and (request.channels, request.about) == (self.channels, self.about)
            and isinstance(request.ask, self.kind)
            and (not isinstance(request.ask, AskHistogram) or _is_usual(request.ask))
            and tuple(step.place for step in request.state.steps) == self.known
            and not (request.state.truth or request.state.columns)
        )


def _is_usual(ask: AskHistogram) -> bool:
    """Whether a histogram is as sharp as all are, from one bin of the octaves to another: no lens on a few voxels."""
    ends = (end for each in ask.ranges for end in (each.low, each.high))
    return ask.bins == BINS and all(map(is_edge, ends))


def is_fitted(study: Study) -> bool:
    """Whether anything has to be learned of the training cases before a model is."""
    return bool(fitted_places(study) or numbers_of(study.columns)) or target_of(study).numbers_to_scale(study) > 0


class Fitting:
    """What has to be asked of a study's training cases, one question after the other, until all is fitted.

    It keeps nothing: what comes next follows from the answers so far. So a fit can stop anywhere and go on elsewhere.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._steps = tuple(_Unfitted.of(study, place) for place in fitted_places(study))
        self._numbers, self._columns = target_of(study).numbers_to_scale(study), numbers_of(study.columns)

    @classmethod
    def of_steps(cls, study: Study) -> Self:
        """For those who look at images alone: nothing is asked of numbers in the table."""
        found = cls(study)
        found._numbers, found._columns = 0, ()
        return found

    def next_request(self, merged: Sequence[CohortSummary]) -> Request | FittedState:
        """The next question, after the answers of all training cases together to each question so far; the state when
        there is none left: at once where nothing is fitted.

        Raises `InputError` where the cases give nothing to fit to, and ValueError for an answer to another question.
        """
        state, left = EMPTY, list(merged)
        for step in self._steps:
            answers: list[CohortSummary] = []
            outcome = step.next(answers)
            while not isinstance(outcome, tuple):
                request = Request(
                    place=step.place,
                    within=step.within,
                    parts=len(step.inputs),
                    channels=step.channels,
                    ask=outcome,
                    state=state,
                )
                if not left:
                    return request
                request.check(left[0])
                answers.append(left.pop(0))
                outcome = step.next(answers)
            cases = answers[-1].cases if answers else state.cases
            learned = StepState(place=step.place, channels=outcome, inputs=step.channels)
            state = FittedState(cases=cases, steps=(*state.steps, learned))
        for request in self._of_table:
            if not left:
                return request
            request.check(left[0])
            state = _scaled(self._study, state, request, left.pop(0))
        if left:
            raise ValueError("more was answered than was asked")
        return state

    @property
    def _of_table(self) -> tuple[Request, ...]:
        """The questions about numbers of the table, or images to be made: what to predict, then the columns."""
        ask = AskMoments()
        about: Literal["truth", "targets"] = "targets" if target_of(self._study).on_grid else "truth"
        truth = [Request(place=None, parts=self._numbers, ask=ask, about=about)] if self._numbers else []
        columns = [Request(place=None, parts=len(self._columns), ask=ask, about="columns")] if self._columns else []
        return *truth, *columns

    @property
    def described(self) -> tuple[str, ...]:
        """What the training cases will be asked, in words, before anything has been: one sentence for each question."""
        of_steps = (
            f"{step.part.name}: {ask.words} of {VOXELS[step.within]} {_which(step)}, over all training cases"
            for step in self._steps
            for ask in step.step.asks
        )
        names = self._study.outputs[: self._numbers]
        of_table = (f"{name}: {AskMoments.words}, over all training cases" for name in (*names, *self._columns))
        return *of_steps, *of_table

    @property
    def expected(self) -> tuple[Expected, ...]:
        """The questions in order, as far as they are known beforehand: whoever is asked can tell others apart."""
        places = tuple(step.place for step in self._steps)
        of_steps = (
            Expected(step.place, step.within, len(step.inputs), ask, places[:index], step.channels)
            for index, step in enumerate(self._steps)
            for ask in step.step.asks
        )
        table = (Expected(None, "all", each.parts, AskMoments, (), (), each.about) for each in self._of_table)
        return *of_steps, *table


def summarise_case(request: Request, sample: Sample, ignored: int | None = None) -> CohortSummary:
    """The answer of one case to a request, after all steps before the one that is asked for. `ignored` is the index of
    voxels that do not count as a class (`Study.ignored_class`).

    Raises `InputError` for a case without a mask where voxels of the classes are asked for.
    """
    label, data = sample.label, sample.image.data
    channels = [data[channel] for channel in request.channels or range(len(data))]
    if request.within == "all":
        return request.answer(channels)
    if request.within == "nonzero":
        return request.answer([values[values != 0] for values in channels])
    if label is None:
        raise InputError.one("the case has no mask, so that its foreground is unknown", expected="a mask")
    chosen = label > 0 if ignored is None else (label > 0) & (label != ignored)
    return request.answer([values[chosen] for values in channels])


def merged(request: Request, answers: Iterable[CohortSummary]) -> CohortSummary:
    """The answer of all cases together, none of them included; the order does not matter."""
    return reduce(CohortSummary.merge, answers, request.nothing())


def fit_to(study: Study, samples: Sequence[Sample]) -> FittedState:
    """What the study learns from cases in memory, given as they are before its first fitted step.

    For a look at few cases; whoever trains goes through the store. Raises `InputError` as `Fitting.next_request`.
    """
    fitting, answers = Fitting.of_steps(study), list[CohortSummary]()
    outcome = fitting.next_request(answers)
    while isinstance(outcome, Request):
        request, pipeline = outcome, Pipeline(study, outcome.state)
        first, place = fitted_places(study)[0], request.place or 0
        ready = (pipeline.apply_between(first, place, [sample]) for sample in samples)
        answers.append(merged(request, (summarise_case(request, sample, study.ignored_class) for sample in ready)))
        outcome = fitting.next_request(answers)
    return outcome


def _scaled(study: Study, state: FittedState, request: Request, answer: CohortSummary) -> FittedState:
    """The state with what the answer to a question about numbers of the table tells."""
    of_columns = request.about == "columns"
    return FittedState(
        cases=answer.cases,
        steps=state.steps,
        truth=state.truth if of_columns else _scales(study, answer),
        columns=column_scales(study, answer) if of_columns else (),
    )


def _scales(study: Study, answer: CohortSummary) -> tuple[Scale, ...]:
    """Mean and spread of each number to predict. Raises `InputError` for one that is the same in all cases."""
    found = []
    for name, part in zip(study.outputs, answer.parts, strict=True):
        moments = part.summary
        if not isinstance(moments, Moments) or moments.count < 2 or moments.deviation < LEAST_SPREAD:
            values = "voxels" if target_of(study).on_grid else "numbers"
            raise InputError.one(
                f"the training cases have no two different {values} of {name!r}, so that nothing can be learned of it",
                got=f"{answer.cases} training cases",
                remedy=f"Give cases with other {values}"
                + (", or take it out of the study's `targets`" if len(study.targets) > 1 else ""),
            )
        found.append(Scale(mean=moments.mean, deviation=moments.deviation))
    return tuple(found)


def require_state(study: Study, state: FittedState) -> None:
    """Raise `InputError` unless a state is one of this study: of its fitted steps, its channels, and their kinds."""
    places = fitted_places(study)
    found = tuple(step.place for step in state.steps)
    kinds = all(is_of(study, step) for step in state.steps if step.place in places)
    if len(state.truth) != target_of(study).numbers_to_scale(study):
        raise InputError.one(
            "these fitted values do not have the scales of this study's numbers",
            got=f"{len(state.truth)}",
            expected=f"mean and spread of {', '.join(study.outputs)}",
        )
    _require_columns(study, state)
    if found != places or not kinds:
        names = [study.preprocessing[place].name for place in places]
        raise InputError.one(
            "these fitted values are not those of this study's preprocessing",
            got=f"values of {len(found)} steps" if found else "no values",
            expected=f"values of {' and '.join(names)} for {', '.join(study.inputs)}" if names else "none",
        )


def _require_columns(study: Study, state: FittedState) -> None:
    names = numbers_of(study.columns)
    if len(state.columns) != len(names):
        what, expected = "these fitted values do not have the scales of this study's columns", ", ".join(names)
        raise InputError.one(what, got=f"{len(state.columns)}", expected=f"mean and spread of {expected or 'none'}")


def is_of(study: Study, state: StepState) -> bool:
    """Whether a state is of the kind that the step at its place learns, and for each channel."""
    use = study.preprocessing[state.place]
    part = use.part(Kind.PREPROCESSING)
    step: FittableStep = part.make(use.parameters)
    with answering(part.owner):
        learns = step.learns
    channels = channels_of(use, study.inputs)
    some = channels if len(channels) < len(study.inputs) else ()
    kinds = all(isinstance(each, learns) for each in state.channels)
    return kinds and state.inputs == some and len(state.channels) == len(channels)


def _which(step: _Unfitted) -> str:
    """Of which channels, in words."""
    return f"of {', '.join(step.inputs)}" if step.channels else "of each channel"


@dataclass(frozen=True)
class _Unfitted:
    """One fitted step of a study, before it is fitted. `channels` is empty where it is fitted to all of them, and
    `inputs` has the names of those that it is fitted to."""

    place: int
    within: Within
    part: Part
    step: FittableStep
    channels: tuple[int, ...]
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, study: Study, place: int) -> _Unfitted:
        use = study.preprocessing[place]
        assert isinstance(use.parameters, FittedParameters)
        part = use.part(Kind.PREPROCESSING)
        channels = channels_of(use, study.inputs)
        names = tuple(study.inputs[channel] for channel in channels)
        some = channels if len(names) < len(study.inputs) else ()
        return cls(place, use.parameters.within, part, part.make(use.parameters), some, names)

    def next(self, answers: Sequence[CohortSummary]) -> Ask | tuple[ChannelState, ...]:
        """What the step asks next, or what it has learned of each channel."""
        with naming_step(self.part.name), answering(self.part.owner):
            return self.step.next([[part.summary for part in answer.parts] for answer in answers], self.inputs)

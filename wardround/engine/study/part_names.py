"""How a study names a part: `dice_ce`, `orient: RAS`, `resample: {spacing: [1, 1, 1]}` or `{name: adamw, ...}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import Problem, closest, did_you_mean
from wardround.engine.parts import STUDY_KINDS, Choice, Kind, Parameters, Part, answering, builtin_and_plugins
from wardround.engine.parts.answers import answers_of
from wardround.engine.study.expectations import PART_WORDS, Location, place_in
from wardround.engine.study.located_problems import Flaw, as_tuples, flawed, flaws_of, written
from wardround.engine.study.partshapes import part_instead
from wardround.engine.study.shapes import joined, without_dashes

Answer = TypeVar("Answer")
_NOT_A_PART = "this does not name a part"
_NOT_PARAMETERS = "these are no parameters"


class NamedPart(Closed):
    """A part by its name, with typed parameters, defaults filled in."""

    name: str
    parameters: SerializeAsAny[Parameters]


class PartUse(NamedPart):
    """A part that a study uses, with typed parameters, defaults filled in."""

    def part(self, kind: Kind) -> Part:
        """The registered part."""
        return builtin_and_plugins().find(kind, self.name)

    def ask(self, kind: Kind, question: Callable[[Parameters], Answer]) -> Answer:
        """What the part's parameters answer. Raises `InputError` that names the package of one that cannot, or that
        answers what its kind may not."""
        owner = self.part(kind).owner
        with answering(owner):
            return question(answers_of(self.parameters, owner))


@dataclass(frozen=True)
class PlacedUse:
    """A part that a study uses, and where it names it.

    Attributes:
        place: such as `("preprocessing", 0, "orient")`.
        kind: of the part.
        use: the part.
    """

    place: Location
    kind: Kind
    use: PartUse


_Use = TypeVar("_Use", bound=NamedPart)


@dataclass(frozen=True)
class _Written:
    """A part as the user wrote it; `place` leads from there to its parameters."""

    name: str
    parameters: Any
    place: Location


def _read(choice: Choice, value: Any) -> _Written:
    if isinstance(value, str):
        return _Written(value, {}, ())
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return _with_name(value)
    if isinstance(value, Mapping) and len(value) == 1 and "name" not in value:
        return next(_Written(str(key), item, (str(key),)) for key, item in value.items())
    remedy = part_instead(choice, value) + _more(choice.kind, "; `wardround parts {kind}` lists all")
    raise flawed("part", [Flaw((), _NOT_A_PART, written(value), PART_WORDS, remedy=remedy)])


def _more(kind: Kind, words: str) -> str:
    """Where a person finds all parts of a kind; strategies, which no study names, are not listed there."""
    return words.format(kind=kind) if kind in STUDY_KINDS else ""


def _with_name(value: Mapping[Any, Any]) -> _Written:
    """The parameters stand beside the name, or, in the canonical form, all under `parameters`."""
    name, parameters = str(value["name"]), value.get("parameters")
    if set(value) == {"name", "parameters"} and isinstance(parameters, Mapping):
        return _Written(name, parameters, ("parameters",))
    return _Written(name, {key: item for key, item in value.items() if key != "name"}, ())


def read_part(choice: Choice, use: type[_Use], value: Any) -> _Use:
    """A part as a document names it. Raises pydantic's error, which holds all that is wrong with it."""
    if isinstance(value, use):
        return value
    written = _read(choice, value)
    if written.name not in choice.names:
        raise flawed("part", [*absent_part(choice, written.name), *_of_likely(choice, written)])
    return use(name=written.name, parameters=_parameters(choice.find(written.name), written))


def likely_parts(choice: Choice, name: str) -> list[str]:
    """The parts that an unknown name may stand for, the likeliest first; none where it is a part of another kind."""
    if name in choice.names or choice.kind_of(name) is not None or choice.is_explained(name):
        return []
    return closest(name, choice.names)


def _of_likely(choice: Choice, use: _Written) -> list[Flaw]:
    """What is wrong with the parameters of an unknown part, whichever of the likely ones is meant."""
    found = [_flaws_as(choice.find(name), use) for name in likely_parts(choice, use.name)]
    everywhere = [{(flaw.location, flaw.what) for flaw in flaws} for flaws in found]
    return (
        [flaw for flaw in found[0] if all((flaw.location, flaw.what) in told for told in everywhere)] if found else []
    )


def _flaws_as(part: Part, use: _Written) -> list[Flaw]:
    """What is wrong with parameters if they are those of a part."""
    try:
        _parameters(part, use)
    except ValidationError as error:
        return flaws_of(error, part.parameters)
    return []


def absent_part(choice: Choice, name: str) -> list[Flaw]:
    """There is no such part; or a package that may have it cannot be used, or two have it, and that is told."""
    what, known = f"unknown {choice.kind} {name!r}", choice.names
    unknown = Flaw((), what, f"`{name}`", _offered(choice), name, known, _remedy(choice, name))
    troubles = [_as_flaw(problem) for problem in choice.troubles(name)]
    return troubles if choice.is_explained(name) else [unknown, *troubles]


def _as_flaw(problem: Problem) -> Flaw:
    what = f"{problem.what}: {problem.where}" if problem.where else problem.what
    return Flaw((), what, problem.got, problem.expected, remedy=problem.remedy)


def _offered(choice: Choice) -> str:
    """The names of a kind; by their tasks where these differ, so that nobody picks one that the next check refuses."""
    by_tasks: dict[str, list[str]] = {}
    for part in choice.parts:
        by_tasks.setdefault(" or ".join(sorted(part.tasks)), []).append(part.name)
    if len(by_tasks) == 1:
        return f"one of {', '.join(choice.names)}"
    listed = (f"{', '.join(names)} for {tasks or 'any task'}" for tasks, names in by_tasks.items())
    return f"one of {'; '.join(listed)}"


def _remedy(choice: Choice, name: str) -> str:
    other = choice.kind_of(name)
    if other is not None:
        what = f"`{name}` is of the kind {other}"
        return what + _more(choice.kind, "; `wardround parts {kind}` lists what can stand here")
    close = did_you_mean(name, choice.names)
    if close.endswith("?"):
        return close + _more(choice.kind, " `wardround parts {kind}` tells of all")
    return "Write one of these" + _more(choice.kind, "; `wardround parts {kind}` tells of all")


def _parameters(part: Part, use: _Written) -> Parameters:
    model = part.parameters
    content, is_short = _keyed(model, use)
    try:
        return model.model_validate(content, strict=True)
    except ValidationError as error:
        flaws = [_placed(flaw, use, is_short) for flaw in flaws_of(error, model)]
        raise flawed(part.name, flaws) from None
    except Exception as error:  # a check of another package's own
        part.owner.blame(error)


def _keyed(model: type[Parameters], use: _Written) -> tuple[Any, bool]:
    """The parameters as a mapping, and whether they were written as the bare value of the shorthand."""
    if isinstance(use.parameters, Mapping):
        return as_tuples(use.parameters), False
    if use.parameters is None:
        return {}, False
    if model.shorthand is None:
        expected = f"`key: value` with {', '.join(place_in(model, ()).keys)}" if model.model_fields else "no parameters"
        together = joined(use.parameters) if isinstance(use.parameters, list | tuple) else None
        remedy = f"Write `{use.name}` alone, which takes the defaults{_with_one_key(use.name, model)}"
        remedy = without_dashes(f"{use.name}: ", together) if together else remedy
        raise flawed("part", [Flaw(use.place, _NOT_PARAMETERS, written(use.parameters), expected, remedy=remedy)])
    return {model.shorthand: as_tuples(use.parameters)}, True


def _with_one_key(name: str, model: type[Parameters]) -> str:
    """How a part is written with a parameter; empty if it has none."""
    line = next((place_in(model, (key,)).line for key in model.model_fields), "")
    return f", or say which is meant, such as `{name}: {{{line}}}`" if line else ""


def _placed(flaw: Flaw, use: _Written, is_short: bool) -> Flaw:
    """The same problem, where the user wrote it."""
    if not is_short:
        return replace(flaw, location=(*use.place, *flaw.location))
    long_key, short_key = f"`{flaw.location[0]}: " if flaw.location else "", f"`{use.name}: "
    remedy = flaw.remedy.replace(long_key, short_key) if long_key else flaw.remedy
    return replace(flaw, location=(*use.place, *flaw.location[1:]), remedy=remedy)


def _validator(kind: Kind) -> BeforeValidator:
    return BeforeValidator(lambda value: read_part(builtin_and_plugins().of(kind), PartUse, value))


PreprocessingUse = Annotated[PartUse, _validator(Kind.PREPROCESSING), Field(examples=["orient"])]
AugmentationUse = Annotated[PartUse, _validator(Kind.AUGMENTATION), Field(examples=["flip"])]
NetworkUse = Annotated[PartUse, _validator(Kind.NETWORK), Field(examples=["unet"])]
LossUse = Annotated[PartUse, _validator(Kind.LOSS), Field(examples=["dice_ce"])]
MetricUse = Annotated[PartUse, _validator(Kind.METRIC), Field(examples=["dice"])]
OptimizerUse = Annotated[PartUse, _validator(Kind.OPTIMIZER), Field(examples=["adamw"])]
ScheduleUse = Annotated[PartUse, _validator(Kind.SCHEDULE), Field(examples=["cosine"])]
PostprocessingUse = Annotated[PartUse, _validator(Kind.POSTPROCESSING), Field(examples=["fill_holes"])]

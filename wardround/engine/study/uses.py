"""How a study names a part: `dice_ce`, `orient: RAS`, `resample: {spacing: [1, 1, 1]}` or `{name: adamw, ...}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from wardround.engine.basics.closed import Closed
from wardround.engine.parts import Kind, Parameters, Part, builtin_and_plugins
from wardround.engine.study.flaws import Flaw, Location, as_tuples, flawed, flaws_of, written

_NOT_A_PART = "this does not name a part"
_NOT_PARAMETERS = "these are no parameters"


class PartUse(Closed):
    """A part that a study uses, with typed parameters, defaults filled in."""

    name: str
    parameters: SerializeAsAny[Parameters]

    def part(self, kind: Kind) -> Part:
        """The registered part."""
        return builtin_and_plugins().find(kind, self.name)


@dataclass(frozen=True)
class _Written:
    """A part as the user wrote it; `place` leads from there to its parameters."""

    name: str
    parameters: Any
    place: Location


def _read(value: Any) -> _Written:
    if isinstance(value, str):
        return _Written(value, {}, ())
    if isinstance(value, Mapping) and "name" in value:
        return _with_name(value)
    if isinstance(value, Mapping) and len(value) == 1:
        return next(_Written(str(key), item, (str(key),)) for key, item in value.items())
    raise flawed(
        "part", [Flaw((), _NOT_A_PART, written(value), "a name, `name: parameters`, or a mapping with a `name`")]
    )


def _with_name(value: Mapping[Any, Any]) -> _Written:
    """The parameters stand beside the name, or, in the canonical form, all under `parameters`."""
    name, parameters = str(value["name"]), value.get("parameters")
    if set(value) == {"name", "parameters"} and isinstance(parameters, Mapping):
        return _Written(name, parameters, ("parameters",))
    return _Written(name, {key: item for key, item in value.items() if key != "name"}, ())


def _parse(kind: Kind, value: Any) -> Any:
    if isinstance(value, PartUse):
        return value
    use = _read(value)
    registry = builtin_and_plugins()
    if use.name not in registry.names(kind):
        raise flawed("part", [Flaw((), f"unknown {kind} {use.name!r}", word=use.name, known=registry.names(kind))])
    return PartUse(name=use.name, parameters=_parameters(registry.find(kind, use.name), use))


def _parameters(part: Part, use: _Written) -> Parameters:
    model = part.parameters
    content, is_short = _keyed(model, use)
    try:
        return model.model_validate(content, strict=True)
    except ValidationError as error:
        flaws = [_placed(flaw, use, is_short) for flaw in flaws_of(error, model)]
        raise flawed(part.name, flaws) from None


def _keyed(model: type[Parameters], use: _Written) -> tuple[Any, bool]:
    """The parameters as a mapping, and whether they were written as the bare value of the shorthand."""
    if isinstance(use.parameters, Mapping):
        return as_tuples(use.parameters), False
    if use.parameters is None:
        return {}, False
    if model.shorthand is None:
        raise flawed("part", [Flaw(use.place, _NOT_PARAMETERS, written(use.parameters), "a mapping of parameters")])
    return {model.shorthand: as_tuples(use.parameters)}, True


def _placed(flaw: Flaw, use: _Written, is_short: bool) -> Flaw:
    """The same problem, where the user wrote it."""
    return replace(flaw, location=(*use.place, *(flaw.location[1:] if is_short else flaw.location)))


def _validator(kind: Kind) -> BeforeValidator:
    return BeforeValidator(lambda value: _parse(kind, value))


PreprocessingUse = Annotated[PartUse, _validator(Kind.PREPROCESSING)]
AugmentationUse = Annotated[PartUse, _validator(Kind.AUGMENTATION)]
NetworkUse = Annotated[PartUse, _validator(Kind.NETWORK)]
LossUse = Annotated[PartUse, _validator(Kind.LOSS)]
MetricUse = Annotated[PartUse, _validator(Kind.METRIC)]
OptimizerUse = Annotated[PartUse, _validator(Kind.OPTIMIZER)]
ScheduleUse = Annotated[PartUse, _validator(Kind.SCHEDULE)]

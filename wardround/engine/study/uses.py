"""How a study names a part: `dice_ce`, `orient: RAS`, `resample: {spacing: [1, 1, 1]}` or `{name: adamw, ...}`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny
from pydantic_core import PydanticCustomError

from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, Parameters, Part, builtin_and_plugins


class PartUse(BaseModel):
    """A part that a study uses, with typed parameters, defaults filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    parameters: SerializeAsAny[Parameters]

    def part(self, kind: Kind) -> Part:
        """The registered part."""
        return builtin_and_plugins().find(kind, self.name)


def _split(value: Any) -> tuple[str, Any]:
    """Name and written parameters of any of the four spellings."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and set(value) == {"name", "parameters"} and isinstance(value["parameters"], dict):
        return str(value["name"]), value["parameters"]
    if isinstance(value, dict) and "name" in value:
        return str(value["name"]), {key: item for key, item in value.items() if key != "name"}
    if isinstance(value, dict) and len(value) == 1:
        return next(iter((str(key), item) for key, item in value.items()))
    raise PydanticCustomError("part", "Input should be a name, `name: parameters`, or a mapping with a `name`")


def _parse(kind: Kind, value: Any) -> Any:
    if isinstance(value, PartUse):
        return value
    name, written = _split(value)
    try:
        part = builtin_and_plugins().find(kind, name)
    except InputError as error:
        problem = error.problems[0]
        message = f"unknown {kind} {name!r}. {problem.remedy}".replace("{", "{{").replace("}", "}}")
        raise PydanticCustomError("unknown_part", message) from None
    return PartUse(name=name, parameters=part.parameters.model_validate(_keyed(part, written)))


def _keyed(part: Part, written: Any) -> Any:
    if isinstance(written, dict):
        return written
    if written is None:
        return {}
    if part.parameters.shorthand is None:
        raise PydanticCustomError("part", "Input should be a mapping of parameters")
    return {part.parameters.shorthand: written}


def _validator(kind: Kind) -> BeforeValidator:
    return BeforeValidator(lambda value: _parse(kind, value))


PreprocessingUse = Annotated[PartUse, _validator(Kind.PREPROCESSING)]
AugmentationUse = Annotated[PartUse, _validator(Kind.AUGMENTATION)]
NetworkUse = Annotated[PartUse, _validator(Kind.NETWORK)]
LossUse = Annotated[PartUse, _validator(Kind.LOSS)]
MetricUse = Annotated[PartUse, _validator(Kind.METRIC)]
OptimizerUse = Annotated[PartUse, _validator(Kind.OPTIMIZER)]
ScheduleUse = Annotated[PartUse, _validator(Kind.SCHEDULE)]

"""What a study asks of the kind of truth of its task; `engine.targets` has the whole of it, for the rooms above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Protocol, TypeVar, cast

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from wardround.engine.basics.hints import shown
from wardround.engine.parts import BreachError, Kind, answering, builtin_and_plugins
from wardround.engine.parts.answers import answers_of
from wardround.engine.study.located_problems import Flaw, flawed
from wardround.engine.study.part_names import absent_part, likely_parts

_Study = TypeVar("_Study", contravariant=True)
"""The whole study, which this module stands before."""
USUAL_TASK = "segmentation"
"""Whose words are used while nobody knows what a study's task is."""


Outputs = Annotated[tuple[str, ...], Field(min_length=1)]
"""Names of the outputs of a network, of which there is one at least."""
ValuesByClass = Mapping[str, Annotated[tuple[int, ...], Field(min_length=1)]]
"""All values of each class, of which it has one at least."""


class KindOfTruth(Protocol[_Study]):
    """What stands for the truth of a case, as far as a study has to know it."""

    name: str
    has_classes: bool
    needs_targets: bool
    has_regions: bool
    on_grid: bool
    first_value: int

    def classes(self, study: _Study) -> ValuesByClass:
        """All values of each class in masks or tables, by its name, in the order of the network's outputs."""

    def outputs(self, study: _Study) -> Outputs:
        """Names of the network's output channels, in order."""

    def flaws(self, study: _Study) -> Iterator[Flaw]:
        """What a study of sound sections says of its truth that does not fit."""


_ASKED = (
    *("name", "has_classes", "needs_targets", "has_regions", "on_grid", "first_value"),
    *("classes", "outputs", "flaws"),
)


def truth_of_task(task: str) -> KindOfTruth[Any]:
    """The kind of truth of a registered task. Raises `InputError` where there is none, or its package is broken.

    All that is asked of one of an installed package is asked within `answering`, and held against what it may answer.
    """
    part = builtin_and_plugins().find(Kind.TASK, task)
    found = part.load_truth()
    with answering(part.owner):
        if isinstance(found, type) or not all(hasattr(found, name) for name in _ASKED):
            raise BreachError(f"{shown(found)} as its kind of truth", "an object of a class that derives from Target")
    return cast(KindOfTruth[Any], answers_of(found, part.owner, KindOfTruth))


def likely_truth(task: object) -> KindOfTruth[Any]:
    """That of a task as it is written, of the task that a misspelt name most likely means, or of the usual one."""
    tasks = builtin_and_plugins().of(Kind.TASK)
    meant = [task, *likely_parts(tasks, task)] if isinstance(task, str) else []
    return truth_of_task(next((name for name in meant if name in tasks.names), USUAL_TASK))


def _registered(task: str) -> str:
    choice = builtin_and_plugins().of(Kind.TASK)
    if task not in choice.names:
        raise flawed("task", absent_part(choice, task))
    return task


class _AsChoice:
    """Lets a schema list the tasks that are installed, so that a slip of the pen is told with the one that is meant."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": [*builtin_and_plugins().names(Kind.TASK)]}


TaskName = Annotated[str, AfterValidator(_registered), _AsChoice(), Field(examples=[USUAL_TASK])]
"""The name of a task that is installed here."""

"""What a part is.

A part's parameters are typed here, in modules that import no torch; its implementation is named as `module:attribute`
and imported when it is first used. A study names parts; it can never name an import path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, ClassVar

from pydantic import ConfigDict

from wardround.engine.basics.blame import Owner, answering
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.setting import Setting


class Kind(StrEnum):
    """The kinds of parts, named as in a study file; a strategy is named in a federation file."""

    PREPROCESSING = "preprocessing"
    AUGMENTATION = "augmentation"
    NETWORK = "network"
    LOSS = "loss"
    METRIC = "metric"
    OPTIMIZER = "optimizer"
    SCHEDULE = "schedule"
    POSTPROCESSING = "postprocessing"
    STRATEGY = "strategy"
    TASK = "task"


STUDY_KINDS: tuple[Kind, ...] = tuple(kind for kind in Kind if kind is not Kind.STRATEGY)
"""The kinds that a study names."""
_KEYS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "preprocessing",
    Kind.AUGMENTATION: "augmentation",
    Kind.NETWORK: "model",
    Kind.LOSS: "training.loss",
    Kind.METRIC: "validation.metrics",
    Kind.OPTIMIZER: "training.optimizer",
    Kind.SCHEDULE: "training.schedule",
    Kind.POSTPROCESSING: "inference.postprocessing",
    Kind.STRATEGY: "strategy",
    Kind.TASK: "task",
}
"""The key of a study, or of a federation, that names a part of each kind."""
_WORDS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "preprocessing step",
    Kind.AUGMENTATION: "augmentation",
    Kind.NETWORK: "network",
    Kind.LOSS: "loss",
    Kind.METRIC: "metric",
    Kind.OPTIMIZER: "optimizer",
    Kind.SCHEDULE: "schedule",
    Kind.POSTPROCESSING: "postprocessing step",
    Kind.STRATEGY: "strategy",
    Kind.TASK: "task",
}


class Parameters(Closed):
    """Base of every part's parameters: frozen, complete with defaults, closed to unknown keys.

    `shorthand` names the field that a bare value fills, so that `orient: RAS` means `orient: {axes: RAS}`. Parameters
    answer for their part: what others have to know of it they ask here, and in the base of its kind.
    """

    model_config = ConfigDict(allow_inf_nan=False, strict=False)
    shorthand: ClassVar[str | None] = None

    def flaws(self, setting: Setting) -> Iterable[Flaw]:
        """What of the study that names the part does not fit it, or what of the part does not fit the study."""
        return ()


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value that a number can have."""

    least: float
    most: float

    def hold(self, value: float) -> bool:
        """Whether a value lies within; NaN does not."""
        return self.least <= value <= self.most


ANY_SCORE = Bounds(-1e9, 1e9)
FRACTION = Bounds(0.0, 1.0)
MILLIMETRES = Bounds(0.0, 1e6)


@dataclass(frozen=True)
class Part:
    """One registered part.

    Attributes:
        kind: where in a study, or in a federation, it can be named.
        name: its name there.
        parameters: the type of its parameters.
        implementation: `module:attribute`; called as `attribute(parameters, ...)` with arguments set by its kind.
        tasks: the tasks that it serves; empty means all. Of a task: the others whose parts serve it too.
        higher_is_better: for metrics, which direction is better.
        bounds: for metrics, the range of a score; what lies outside it neither leaves a hospital nor is believed.
        truth: for tasks, `module:attribute` of the kind of truth (`engine.targets.Target`), which loads no torch.
        gandlf: what GaNDLF's configurations call it; empty where GaNDLF has nothing like it.
        package: name and release of the installed package that it comes from; empty for Wardround's own parts.
    """

    kind: Kind
    name: str
    parameters: type[Parameters]
    implementation: str
    tasks: frozenset[str] = frozenset()
    higher_is_better: bool = True
    bounds: Bounds = ANY_SCORE
    truth: str = ""
    package: str = ""
    gandlf: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner:
        """Who answers for it."""
        word = _WORDS[self.kind]
        namer = "study" if self.kind in STUDY_KINDS else "federation"
        what, instead = f"the {word} {self.name!r}", f"or let the {namer} name another {word}"
        return Owner(what, self.package, _KEYS[self.kind], instead)

    def serves(self, task: str) -> bool:
        """Whether it can be used in a study of that task."""
        return not self.tasks or task in self.tasks

    def load(self) -> Any:
        """Import and return the implementation. Raises `InputError` that names the package of one that cannot be."""
        return self._found(self.implementation)

    def load_truth(self) -> Any:
        """Import and return a task's kind of truth. Raises as `load` does."""
        return self._found(self.truth)

    def make(self, *arguments: Any) -> Any:
        """What the implementation gives for these arguments, the parameters first. Raises as `load` does."""
        with answering(self.owner):
            return self.load()(*arguments)

    def _found(self, address: str) -> Any:
        module, _, attribute = address.partition(":")
        with answering(self.owner):
            return getattr(import_module(module), attribute)

"""The registry of parts: names and typed parameters of everything a study can choose. Imports no torch."""

from wardround.engine.basics.blame import BreachError, Owner, PartFault, answering
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.builtin import builtin_and_plugins
from wardround.engine.parts.part import STUDY_KINDS, Bounds, Kind, Parameters, Part
from wardround.engine.parts.registry import Choice, Registry
from wardround.engine.parts.setting import Setting

__all__ = [
    "STUDY_KINDS",
    "Bounds",
    "BreachError",
    "Choice",
    "Flaw",
    "Kind",
    "Owner",
    "Parameters",
    "Part",
    "PartFault",
    "Registry",
    "Setting",
    "answering",
    "builtin_and_plugins",
]

"""The choice that metrics of classes have in common: whose mean the score is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.setting import Setting

_BACKGROUND = "background"


class OfClasses(Parameters):
    """What every metric has that scores classes one by one. classes: those, or those regions or labels, whose mean it
    is; where none is named, all, or as the metric says. Each is scored by itself in any case, as `dice.tumour`."""

    classes: Annotated[tuple[str, ...], Added("0.4.0"), Field(max_length=256, examples=[["tumour"]])] = ()

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A class that the study has not, or names twice here. A mask's background is not scored."""
        known = tuple(name for name in setting.classes if not (setting.masked and name == _BACKGROUND))
        kinds = "class or region" if setting.masked else "class or label"
        for number, name in enumerate(self.classes):
            place = (*setting.place, "classes", number)
            if name not in known:
                what, expected = f"the study has no {kinds} {name!r} to score", f"one of {', '.join(known)}"
                yield Flaw(place, what, repr(name), expected, name, known)
            elif name in self.classes[:number]:
                yield Flaw(place, "a class stands twice", repr(name), "each once", remedy="Take one of the two out")


def chosen_classes(parameters: Parameters) -> tuple[str, ...]:
    """Those that a study chose for a metric; none where it chose none, or the metric has no such choice."""
    return parameters.classes if isinstance(parameters, OfClasses) else ()

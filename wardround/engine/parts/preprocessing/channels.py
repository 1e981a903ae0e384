"""Which channels of a case a step looks at or changes, by the names that the study gives its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.setting import Setting

ChannelNames = tuple[Annotated[str, Field(min_length=1)], ...]
"""Names of inputs; none means all of them."""


def strange_channels(setting: Setting, names: ChannelNames) -> Iterator[Flaw]:
    """A flaw of the key `channels` if it names an input that the study does not have, or one twice."""
    place, inputs = (*setting.place, "channels"), ", ".join(setting.inputs)
    strange = [name for name in names if name not in setting.inputs]
    if strange:
        what, expected = "the study has no such input", f"some of {inputs}"
        yield Flaw(place, what, written(strange), expected, word=strange[0], known=setting.inputs)
    elif len(set(names)) < len(names):
        yield Flaw(place, "an input is named twice", written([*names]), "each once", remedy="Leave one of them out")


def other_number(setting: Setting, names: ChannelNames, count: int, what: str) -> Iterator[Flaw]:
    """A flaw unless a step works on so many channels; `what` says in one clause why it has to."""
    found = names or setting.inputs
    if len(found) != count:
        remedy = f"Name these {count} in `channels`" if len(setting.inputs) > count else "Take the step out"
        got, expected = f"{len(found)} ({', '.join(found)})", f"{count} channels"
        yield Flaw(setting.place, what, got, expected, remedy=remedy)

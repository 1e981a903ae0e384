"""What a later release wrote, told apart from what is damaged: keys or words that are unknown here, and no fault.

Who has updated one machine and opens its files on another, or has gone back to the former release, is told to update.
What is kept is neither thrown away nor "healed": the release that wrote it can read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from wardround import __version__
from wardround.engine.basics.problems import InputError, Problem

_UNKNOWN_HERE = {
    "extra_forbidden": "key",
    "enum": "value of",
    "literal_error": "value of",
    "union_tag_invalid": "kind of",
}
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MOST_NAMED = 3


class LaterReleaseError(InputError):
    """A file that a later release wrote."""

    @classmethod
    def of(cls, where: Path | str, unknown: Iterable[str] = (), release: str = "") -> LaterReleaseError:
        """The error for a file with these unknown keys; `release` is the one that wrote it, where the file says it."""
        names = tuple(unknown)
        told = f"{', '.join(names[:_MOST_NAMED])}{' and more' if len(names) > _MOST_NAMED else ''}"
        return cls(
            [
                Problem(
                    f"this was written by {f'release {release}' if release else 'a later release'} of Wardround",
                    where=str(where),
                    got=f"unknown here: {told}" if told else "",
                    expected=f"what release {__version__} can read",
                    remedy="Update Wardround on this machine, and try again",
                )
            ]
        )


def later_release(error: Exception, where: Path | str) -> LaterReleaseError | None:
    """The error for what a later release wrote; None when something else is wrong with it as well, or instead."""
    if not isinstance(error, ValidationError):
        return None
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if not details or any(detail["type"] not in _UNKNOWN_HERE for detail in details):
        return None
    places = (".".join(str(step) for step in detail["loc"]) for detail in details)
    kinds = (_UNKNOWN_HERE[detail["type"]] for detail in details)
    return LaterReleaseError.of(where, (f"the {kind} {place}" for kind, place in zip(kinds, places, strict=True)))


def is_later(release: object) -> bool:
    """Whether this is the number of a release after this one."""
    found, own = (_NUMBERS.match(text) if isinstance(text, str) else None for text in (release, __version__))
    return found is not None and own is not None and _numbers(found) > _numbers(own)


def _numbers(match: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part) for part in match.groups())

"""Characters that would make a screen, a log or a page say something else than what was written."""

from __future__ import annotations

HOSTILE = (
    "\x00",
    "\x07",
    "\x08",
    "\t",
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1b",
    "\x1c",
    "\x7f",
    "\x85",
    "\x9b",
    "\xad",
    "\u061c",
    "\u115f",
    "\u180e",
    "\u200b",
    "\u200d",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202a",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u2069",
    "\u3164",
    "\ufe0f",
    "\ufeff",
    "\ufff9",
    "\ud800",
    "\udfff",
    "\U000e0001",
    "\U000e0041",
    "\U000e0100",
)
"""Controls, ends of lines, directions of reading, what is not seen, halves of characters, and tags."""


def is_clean(line: str) -> bool:
    """Whether a line, which must be one, holds nothing of that kind."""
    return line.isprintable() and not any(character in line for character in HOSTILE)

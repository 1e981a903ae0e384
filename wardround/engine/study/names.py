"""What is left of a name of any script where only plain letters may stand."""

from __future__ import annotations

import re
import unicodedata

NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,63}$"
"""What a class, an input or a target of a study may be called."""
_LONGEST = 64
_SPELLED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o",
     "Ø": "O", "å": "a", "Å": "A", "œ": "oe", "ł": "l", "Ł": "L"}
)  # fmt: skip


def plain_name(text: str) -> str:
    """A name of plain letters, digits, blanks and . _ & + - that reads like `text`; empty where nothing is left."""
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SPELLED))
    bare = "".join(one for one in spelled if not unicodedata.combining(one))
    return re.sub(r"[^A-Za-z0-9._&+-]+", " ", bare).lstrip(" ._&+-")[:_LONGEST].rstrip()


def is_name(text: str) -> bool:
    """Whether a study can have this name."""
    return re.fullmatch(NAME, text) is not None

"""Text in pictures: what a font has is drawn, what none has is an escape, and what is too long keeps both its ends.

Names of cases are the hospitals' own, in any script. A browser finds a font for them; a picture has those that come
with matplotlib and, where they are installed, the ones named here.
"""

from __future__ import annotations

from functools import cache

from wardround.engine.basics.printable import printable

ALWAYS = "DejaVu Sans"
"""The font that comes with matplotlib: Latin, Greek, Cyrillic, Arabic and more."""
_OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Hebrew", "Noto Sans Bengali",
)  # fmt: skip
_ELLIPSIS = "…"


@cache
def families() -> tuple[str, ...]:
    """The fonts that pictures are lettered with, the first that has a character draws it."""
    from matplotlib import font_manager

    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return (ALWAYS, *(name for name in _OTHERS if name in installed))


def drawable(text: str) -> str:
    """The text on one line, as it can be drawn: an escape (`\\u60a3`) for each character that no font has."""
    shown = printable(text)
    if shown.isascii():
        return shown
    known = _characters()
    return "".join(one if ord(one) in known else one.encode("unicode_escape").decode("ascii") for one in shown)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and its end: identifiers often differ in one of them alone."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return text[: most - 1 - end] + _ELLIPSIS + text[-end:]


@cache
def _characters() -> frozenset[int]:
    from matplotlib import font_manager

    paths = [font_manager.findfont(name, fallback_to_default=False) for name in families()]
    return frozenset[int]().union(*(font_manager.get_font(path).get_charmap() for path in paths))

"""Numbers as people write them elsewhere: `0,25`, `1.000,5`, `10 000`, `25%`, `3 mm`; and how a study has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

_PLAIN = r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][+-]?\d+)?"
_PARTED = re.compile(r"([+-]?\d{1,3})((?:([.,'’ _])\d{3})(?:\3\d{3})*)(?:([.,])(\d+))?")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_PERCENT = re.compile(rf"({_PLAIN})\s*(?:%|percent|per cent)", re.IGNORECASE)
_ENDED = re.compile(rf"({_PLAIN})\s*([;,])")
_POWER = re.compile(r"(?:([+-]?[\d.,]+)\s*[x*·×]\s*)?10\s*(?:\^|\*\*)\s*([+-]?\d+)")
_RATIO = re.compile(r"(\d+)\s*/\s*(\d+)")
_WITH_UNIT = re.compile(rf"({_PLAIN})\s*([^\W\d_]\w*|[°µ'\"][^\W\d_]?)(?:[/^ ][^\W\d_]\w*|[²³])?")
_ODD_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2013": "-"})
_IN_MM: Mapping[str, str] = MappingProxyType({"cm": "10", "µm": "0.001", "um": "0.001"})
_IN_SECONDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("s", "sec", "second", "seconds"), "1"),
        **dict.fromkeys(("min", "minute", "minutes"), "60"),
        **dict.fromkeys(("h", "hour", "hours"), "3600"),
        **dict.fromkeys(("d", "day", "days"), "86400"),
        **dict.fromkeys(("w", "week", "weeks"), "604800"),
    }
)
_DEGREES = frozenset({"°", "deg", "degree", "degrees", "grad"})
_OF_SEVERAL_SIZES = re.compile(r"[kmgt]?(b|bit|bits|byte|bytes|bps)|m|mo|months?|y|years?|fortnights?", re.IGNORECASE)
"""Units of which nobody can tell from the text alone how many make one of a place's own."""
_THOUSANDS: Mapping[str, str] = MappingProxyType({"k": "1000", "K": "1000"})
POINT = "Decimals have a point here"
_TOGETHER = "Thousands are written without a sign between them"


@dataclass(frozen=True)
class Numeral:
    """A text that stands for a number.

    Attributes:
        reason: why it is none here, as a clause that a remedy can begin with.
        readings: the numbers that it may stand for, as YAML has them, the likeliest first; none where its unit makes
            it another number, and it is not known which.
    """

    reason: str
    readings: tuple[str, ...]


def numeral(text: str) -> Numeral | None:
    """What number a text may stand for, if for any."""
    plain = re.sub(r",\s+(?=\d)", ",", text.strip().translate(_ODD_BLANKS))
    return next((found for rule in _RULES if (found := next(rule(plain), None)) is not None), None)


def with_point(text: str) -> str:
    """`0,25` as `0.25`; leading zeros of what stands behind the comma are kept."""
    whole, _, rest = text.replace(",", ".").partition(".")
    return f"{whole if whole.strip('+-') else whole + '0'}.{rest}" if rest else whole


def _parted(text: str) -> Iterator[Numeral]:
    """`1.000,5`, `1,000.5`, `1'000`, `10 000`, `1,000,000`; `10,000` may be ten as well."""
    found = _PARTED.fullmatch(text)
    if found is None or found[1].lstrip("+-").startswith("0") or found[3] == found[4]:
        return
    whole = found[1] + re.sub(r"\D", "", found[2])
    if found[5]:
        yield Numeral(f"{_TOGETHER}, and decimals have a point", (f"{whole}.{found[5]}",))
    elif _COMMA.fullmatch(text):
        yield Numeral(f"{POINT}, and thousands no sign between them", (with_point(text), whole))
    else:
        yield Numeral(_TOGETHER, (whole,))


def _comma(text: str) -> Iterator[Numeral]:
    if _COMMA.fullmatch(text):
        yield Numeral(POINT, (with_point(text),))


def _ended(text: str) -> Iterator[Numeral]:
    if found := _ENDED.fullmatch(text):
        yield Numeral(f"Nothing stands behind a number, so take the {found[2]} away", (with_point(found[1]),))


def _percent(text: str) -> Iterator[Numeral]:
    if found := _PERCENT.fullmatch(text):
        number = with_point(found[1])
        yield Numeral("A share is written as a number without a percent sign", (_scaled(number, "0.01"), number))


def _power(text: str) -> Iterator[Numeral]:
    if found := _POWER.fullmatch(text):
        yield Numeral("Powers of ten are written with an e", (f"{with_point(found[1] or '1')}e{int(found[2])}",))


def _ratio(text: str) -> Iterator[Numeral]:
    found = _RATIO.fullmatch(text)
    if found is not None and int(found[2]):
        yield Numeral("Fractions are written with a point", (f"{int(found[1]) / int(found[2]):.6g}",))


def _with_unit(text: str) -> Iterator[Numeral]:
    found = _WITH_UNIT.fullmatch(text)
    if found is None:
        return
    number, unit = with_point(found[1]), found[2]
    if unit in _IN_MM:
        yield Numeral("Lengths are in mm, and written without the unit", (_scaled(number, _IN_MM[unit]),))
    elif unit in _IN_SECONDS:
        seconds = _scaled(number, _IN_SECONDS[unit])
        yield Numeral("Times are in seconds, and written without the unit", (seconds,))
    elif unit.lower() in _DEGREES:
        yield Numeral("Angles are in degrees, and written without the unit", (number,))
    elif unit in _THOUSANDS:
        yield Numeral("All digits of a number are written out", (_scaled(number, _THOUSANDS[unit]),))
    else:
        yield Numeral("Numbers are written without a unit", () if _OF_SEVERAL_SIZES.fullmatch(unit) else (number,))


_RULES = (_parted, _comma, _ended, _percent, _power, _ratio, _with_unit)


def _scaled(number: str, factor: str) -> str:
    """A number times another, in as few digits as say it."""
    if Decimal(factor) == 1:
        return number
    product = (Decimal(number) * Decimal(factor)).normalize()
    return f"{product:f}" if -7 < product.adjusted() < 16 else f"{product:e}"

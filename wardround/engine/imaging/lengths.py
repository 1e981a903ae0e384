"""Units of length that headers name."""

from __future__ import annotations

from wardround.engine.imaging.entries import Entries

_SPELLED = {
    "millimetres": ("mm", 1.0, ("millimeter", "millimeters", "millimetre", "millimetres")),
    "centimetres": ("cm", 10.0, ("centimeter", "centimeters", "centimetre", "centimetres")),
    "metres": ("m", 1000.0, ("meter", "meters", "metre", "metres")),
    "micrometres": ("um", 1e-3, ("µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre")),
    "nanometres": ("nm", 1e-6, ("nanometer", "nanometers", "nanometre", "nanometres")),
    "inches": ("in", 25.4, ("inch", "inches")),
}
_FACTORS = {
    word: (name, factor) for name, (short, factor, others) in _SPELLED.items() for word in (short, name, *others)
}
_UNSAID = ("", "?", "???")
_EXPECTED = "mm, cm, m, um or nm"
_REMEDY = "Write the sizes in mm, and mm as the unit"


def millimetres(entries: Entries, name: str, word: str) -> float | None:
    """Millimetres of the unit that an entry names; 1 where it names none, and a problem where nobody knows it.

    Another unit than mm is remarked.
    """
    plain = word.strip().strip('"').lower()
    if plain in _UNSAID:
        return 1.0
    if plain not in _FACTORS:
        entries.refuse(name, word, _EXPECTED, _REMEDY)
        return None
    unit, factor = _FACTORS[plain]
    if factor != 1:
        entries.remark(f"the header counts in {unit}, which become millimetres", f"a factor of {factor:g}")
    return factor

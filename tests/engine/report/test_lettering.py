"""Names are drawn in their own script where a font has it, spelled out where none has, and keep both ends."""

from __future__ import annotations

import pytest

from wardround.engine.report.lettering import ALWAYS, drawable, families, shortened


def test_what_the_font_has_is_drawn_and_what_none_has_is_an_escape() -> None:
    assert families()[0] == ALWAYS
    assert drawable("Patientin Müller, пациент 12 …") == "Patientin Müller, пациент 12 …"
    assert drawable("a\U0010fffd") == "a\\U0010fffd"
    assert drawable("a\nb") == "a\\nb"


@pytest.mark.parametrize(
    ("text", "shown"), [("abcdefg", "abcdefg"), ("abcdefgh", "abc…fgh"), ("a" * 99 + "7", "aaa…aa7")]
)
def test_a_long_name_keeps_its_beginning_and_its_end(text: str, shown: str) -> None:
    assert shortened(text, 7) == shown
    assert len(shortened(text, 7)) == 7

"""Pages stand alone, escape what they are given, and keep their tables whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wardround.engine.report import Page, number

HOSTILE = '<script>alert("x")</script> & <img src=http://example.org/a.png>'


def _page() -> Page:
    page = Page(HOSTILE, HOSTILE).heading(HOSTILE).text(HOSTILE).facts({HOSTILE: HOSTILE})
    return page.table([HOSTILE, "n"], [[HOSTILE, "1"]], HOSTILE).figure(b"\x89PNG", HOSTILE)


def test_everything_is_escaped() -> None:
    text = _page().render()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 12
    assert len(re.findall(r"<img ", text)) == 1


def test_nothing_is_fetched() -> None:
    text = _page().render()
    assert not re.findall(r"<(?:link|script|iframe|object|embed)\b", text)
    assert re.findall(r'src="([^"]{0,22})', text) == ["data:image/png;base64,"]
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text


def test_a_row_must_fill_its_columns() -> None:
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        Page("t").table(["a", "b"], [["1", "2", "3"]])


def test_a_page_is_saved_whole(tmp_path: Path) -> None:
    path = Page("t").text("u").save(tmp_path / "deep" / "report.html")
    assert path.read_text().startswith("<!doctype html>")
    assert path.read_text().rstrip().endswith("</html>")


def test_numbers_line_up_and_keep_the_digits_that_count() -> None:
    values = (0.87654321, 0.875, 0.0, 12.0, -0.5, 1e-9, 12345.678, float("nan"))
    shown = ["0.8765", "0.8750", "0.0000", "12.0000", "-0.5000", "1e-09", "1.235e+04", "nan"]
    assert [number(value) for value in values] == shown

"""Pages stand alone, escape what they are given, and keep their tables whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wardround.engine.report import Page, number
from wardround.engine.report.colours import Series
from wardround.engine.report.page import Cell, Chart, Charts, Key, Panel

HOSTILE = '<script>alert("x")</script> & <img src=http://example.org/a.png>'


def _page() -> Page:
    page = Page(HOSTILE, HOSTILE).heading(HOSTILE).text(HOSTILE).facts({HOSTILE: HOSTILE})
    return page.table([HOSTILE, "n"], [[HOSTILE, "1"]], HOSTILE).figure(b"\x89PNG", HOSTILE)


def test_everything_is_escaped() -> None:
    text = _page().render()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 13
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


def test_a_page_fits_a_phone_and_follows_the_scheme_of_its_reader() -> None:
    text = _page().table(["x"] * 40, [["a long cell"] * 40]).render()
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.findall(r"(?<!-)\bwidth:\s*[3-9]\d\dpx", style)
    assert "prefers-color-scheme: dark" in style
    assert all(int(size) >= 12 for size in re.findall(r"font(?:-size)?:[^;]*?(\d+)px", style))
    assert text.count('<div class="scroll"') == text.count("<table ") == 2


def test_a_table_of_hundreds_of_rows_scrolls_below_its_head() -> None:
    text = Page("t").table(["a"], [[str(number)] for number in range(300)]).render()
    assert '<div class="scroll long"' in text
    assert "{" not in text[text.index("<body>") :]


def test_charts_follow_the_scheme_and_say_what_they_show() -> None:
    charts = Charts(
        (Chart(b"<svg/>", b"<svg />", HOSTILE), Chart(b"<svg/>", b"<svg />", "b")), (Key(HOSTILE, Series(9)),)
    )
    text = Page("t").figure(charts, "c").render()
    assert (
        len(re.findall(r'<source media="\(prefers-color-scheme: dark\)" srcset="data:image/svg\+xml;base64,', text))
        == 2
    )
    assert len(re.findall(r'<img src="data:image/svg\+xml;base64,[^"]*" alt="[^"]+">', text)) == 2
    assert "<script" not in text
    assert 'class="s1"' in text


def test_a_gallery_is_escaped_and_every_picture_has_words() -> None:
    text = Page("t").gallery(HOSTILE, [Panel(b"p", HOSTILE), Panel(b"q", "c", "more")]).render()
    assert "<script" not in text
    assert re.findall(r'alt="(more)"', text) == ["more"]
    assert len(re.findall(r'<img src="data:image/png;base64,[^"]*" alt="[^"]+">', text)) == 2


def test_a_site_in_a_table_has_the_mark_of_its_line() -> None:
    text = Page("t").table(["site"], [[Cell("<b>", Series(2))]]).render()
    assert re.search(r'<svg class="mark"[^>]*><line class="s2"[^>]*/></svg>&lt;b&gt;</td>', text)


def test_a_table_can_be_reached_and_named_without_eyes() -> None:
    text = (
        Page("t").table(["case", "dice"], [["a", "1"]], 'The "worst" first.').table(["a", "b"], [["c", "d"]]).render()
    )
    labels = re.findall(r'class="scroll" tabindex="0" role="region" aria-label="([^"]*)"', text)
    assert labels == ["The &#34;worst&#34; first.", "Table: a, b"]


def test_the_first_column_is_as_wide_as_its_names_and_no_wider() -> None:
    text = Page("t").table(["round", "n"], [["1", "x" * 300]]).table(["site"], [[Cell("north", Series(0))]]).render()
    assert re.findall(r'style="--first: (\d+)"', text) == ["5", "9"]
    assert "min-width: min(var(--first)" in text
    assert "46vw" in text


def test_what_is_printed_is_whole() -> None:
    style = Page("t").render().split("@media print")[1].split("</style>")[0]
    assert re.search(r"\.scroll, \.scroll\.long \{ overflow: visible; max-height: none", style)
    assert "print-color-adjust: exact" in style
    assert "break-after: avoid" in style


def test_a_command_is_shown_whole_and_escaped() -> None:
    text = Page("t").command("wardround predict '/a b/<x>' --out predictions").render()
    assert "<pre><code>wardround predict &#39;/a b/&lt;x&gt;&#39; --out predictions</code></pre>" in text
    assert "white-space: pre-wrap" in text

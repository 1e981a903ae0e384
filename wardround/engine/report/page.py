"""One self-contained HTML page: no script, no font, no picture is fetched from anywhere, so it works offline.

Everything that is put in is escaped. Light and dark follow the reader's system, pictures with them, and a phone shows
the panels of a figure one below the other and tables in a box of their own::

    Page("A run").text("Two folds.").table(["fold", "dice"], [["0", "0.87"]]).figure(png, "Loss").save(path)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import jinja2
from markupsafe import Markup

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.printable import printable
from wardround.engine.report.colours import Mark, style_rules

_LONGEST_LINE = 44
"""Characters of a cell that stay on one line."""


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, and before it the mark of the line that shows the same in a figure."""

    text: str
    series: Mark | None = None

    @property
    def wide(self) -> bool:
        """Whether it is a sentence rather than a number or a name."""
        return len(self.text) > _LONGEST_LINE


@dataclass(frozen=True)
class Key:
    """An entry of a legend."""

    label: str
    series: Mark


@dataclass(frozen=True)
class Chart:
    """A drawing in two renderings, SVG for a light and for a dark ground, and what it says in words."""

    light: bytes
    dark: bytes
    alt: str


@dataclass(frozen=True)
class Charts:
    """Charts that are read together, and the legend of their lines."""

    charts: tuple[Chart, ...]
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One picture of a gallery, a PNG that looks the same on any ground; its caption is also its text."""

    png: bytes
    caption: str
    alt: str = ""


@dataclass
class Page:
    """A page that grows from top to bottom; every method adds a piece and returns the page."""

    title: str
    lead: str = ""
    _pieces: list[Markup] = field(default_factory=list)

    def heading(self, text: str) -> Self:
        """A section's heading."""
        return self._add(Markup("<h2>{}</h2>").format(printable(text)))

    def text(self, text: str) -> Self:
        """A paragraph."""
        return self._add(Markup("<p>{}</p>").format(printable(text)))

    def warn(self, text: str) -> Self:
        """A sentence that nobody may overlook."""
        return self._piece("warning", text)

    def facts(self, facts: Mapping[str, str]) -> Self:
        """Tiles with one figure each: what it is, and its value."""
        return self._piece("facts", facts.items())

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], caption: str = "") -> Self:
        """A table; a row must have as many cells as there are columns (ValueError).

        A wide one scrolls in its own box, beside its first column; a long one below its head.
        """
        cells = [_row(row, len(columns)) for row in rows]
        return self._piece("table", columns, cells, caption, _first_width(columns, cells))

    def command(self, line: str) -> Self:
        """A command to type, which keeps its blanks and is broken anywhere rather than cut."""
        return self._piece("command", line)

    def figure(self, picture: bytes | Charts, caption: str) -> Self:
        """A picture, embedded: the bytes of a PNG, whose caption is also its text for readers who do not see it, or
        charts, which say themselves what they show."""
        if isinstance(picture, Charts):
            return self._piece("figure", [_drawn(chart) for chart in picture.charts], caption, picture.keys)
        return self._piece("figure", [_Drawing(_data_url("png", picture), "", caption)], caption, ())

    def keys(self, entries: Sequence[Key]) -> Self:
        """A legend for the galleries below it."""
        return self._piece("keys", entries)

    def gallery(self, heading: str, panels: Sequence[Panel]) -> Self:
        """Pictures side by side under one line of text; on a phone one below the other."""
        drawings = [_Drawing(_data_url("png", panel.png), "", panel.alt or panel.caption) for panel in panels]
        shown = [{"drawing": one, "caption": panel.caption} for one, panel in zip(drawings, panels, strict=True)]
        return self._piece("gallery", heading, shown)

    def render(self) -> str:
        """The page as HTML."""
        rules = Markup(style_rules())
        template = _templates().get_template("page.html")
        return template.render(title=self.title, lead=self.lead, pieces=self._pieces, series_css=rules) + "\n"

    def save(self, path: Path) -> Path:
        """Write the page atomically; returns its path."""
        write_atomic(path, self.render().encode())
        return path

    def _piece(self, name: str, *arguments: object) -> Self:
        macros: Any = _templates().get_template("pieces.html").module
        return self._add(Markup(getattr(macros, name)(*arguments)))

    def _add(self, piece: Markup) -> Self:
        self._pieces.append(piece)
        return self


@dataclass(frozen=True)
class _Drawing:
    light: Markup
    dark: Markup | str
    alt: str


def _drawn(chart: Chart) -> _Drawing:
    return _Drawing(_data_url("svg+xml", chart.light), _data_url("svg+xml", chart.dark), chart.alt)


def _data_url(kind: str, content: bytes) -> Markup:
    """Letters of base64 alone: nothing to escape, and megabytes that need not be searched for it."""
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("wardround.engine.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    """What a template puts in: text that shows all of it and, as it is escaped after this, obeys none."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value)


def _row(cells: Sequence[str | Cell], columns: int) -> list[Cell]:
    if len(cells) != columns:
        raise ValueError(f"a row has {len(cells)} cells for {columns} columns")
    return [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]


def _first_width(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> int:
    """Characters that the first column would like to show on one line, with room for the marks in it."""
    firsts = [row[0] for row in rows]
    mark = 4 if any(cell.series for cell in firsts) else 0
    return max(len(columns[0]), *(len(cell.text) for cell in firsts), 0) + mark


def number(value: float) -> str:
    """A score as people read it: four decimals, which line up in a column, or the digits that count."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.4g}"

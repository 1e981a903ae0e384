"""One self-contained HTML page: no script, no font, no picture is fetched from anywhere, so it works offline.

Everything that is put in is escaped. Light and dark follow the reader's system::

    Page("A run").text("Two folds.").table(["fold", "dice"], [["0", "0.87"]]).figure(png, "Loss").save(path)
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.printable import printable

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6876; --line: #dfe4ea; --paper: #f6f7f9; --card: #fff;
  --accent: #0b6e75; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa6b3; --line: #333d49; --paper: #14181d;
  --card: #1c2229; --accent: #5cc4cb; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 27px; margin: 0 0 4px; letter-spacing: -0.01em; } h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 8px 0; max-width: 75ch; } .lead { color: var(--soft); margin-bottom: 20px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0; }
.fact { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.fact b { display: block; font-size: 21px; font-weight: 650; color: var(--accent); overflow-wrap: anywhere; }
.fact span, figcaption, caption { color: var(--soft); font-size: 13px; text-align: left; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { caption-side: top; padding: 10px 14px 0; }
th, td { padding: 7px 14px; border-bottom: 1px solid var(--line); white-space: nowrap; text-align: right; }
th { color: var(--soft); font-weight: 600; font-size: 13px; } tbody tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 16px 0; background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 10px; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption { color: #5b6876; padding-top: 6px; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } .scroll, .fact, figure { break-inside: avoid; } }
"""


@dataclass
class Page:
    """A page that grows from top to bottom; every method adds a piece and returns the page."""

    title: str
    lead: str = ""
    _pieces: list[str] = field(default_factory=list)

    def heading(self, text: str) -> Self:
        """A section's heading."""
        return self._add(f"<h2>{_text(text)}</h2>")

    def text(self, text: str) -> Self:
        """A paragraph."""
        return self._add(f"<p>{_text(text)}</p>")

    def facts(self, facts: Mapping[str, str]) -> Self:
        """Tiles with one figure each: what it is, and its value."""
        tiles = (
            f'<div class="fact"><b>{_text(value)}</b><span>{_text(name)}</span></div>' for name, value in facts.items()
        )
        return self._add(f'<div class="facts">{"".join(tiles)}</div>')

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Self:
        """A table; a row must have as many cells as there are columns (ValueError)."""
        head = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
        body = "".join(_row(row, len(columns)) for row in rows)
        above = f"<caption>{_text(caption)}</caption>" if caption else ""
        table = f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return self._add(f'<div class="scroll">{table}</div>')

    def figure(self, png: bytes, caption: str) -> Self:
        """A picture, embedded; the caption is also its text for readers who do not see it."""
        source = "data:image/png;base64," + base64.b64encode(png).decode()
        said = _text(caption)
        return self._add(f'<figure><img src="{source}" alt="{said}"><figcaption>{said}</figcaption></figure>')

    def render(self) -> str:
        """The page as HTML."""
        title = _text(self.title)
        lead = f'<p class="lead">{_text(self.lead)}</p>' if self.lead else ""
        head = (
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
            f"<title>{title}</title><style>{_STYLE}</style>"
        )
        body = f"<main><h1>{title}</h1>{lead}{''.join(self._pieces)}<footer>Made by Wardround.</footer></main>"
        return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'

    def save(self, path: Path) -> Path:
        """Write the page atomically; returns its path."""
        write_atomic(path, self.render().encode())
        return path

    def _add(self, piece: str) -> Self:
        self._pieces.append(piece)
        return self


def _text(text: str) -> str:
    """Text as HTML that shows all of it and obeys none."""
    return html.escape(printable(text))


def _row(cells: Sequence[str], columns: int) -> str:
    if len(cells) != columns:
        raise ValueError(f"a row has {len(cells)} cells for {columns} columns")
    return "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"


def number(value: float) -> str:
    """A score as people read it: four decimals, which line up in a column, or the digits that count."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.4g}"

"""CSV files into rows with line numbers: comma, semicolon or tab; quoted cells; a byte-order mark or none."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import read_named

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One row: the line on which it starts, counted from 1, and its cells by column, without surrounding blanks."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table with named columns. Lines without any content are left out."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, findings: Findings) -> Table:
    """Read a CSV file. Rows that do not fit the header become findings and are left out of the table.

    Raises `InputError` when the file cannot be read or is not a table.
    """
    lines = _decode(path).splitlines(keepends=True)
    header = next((line for line in lines if line.strip()), "")
    separator = max(SEPARATORS, key=header.count)
    parsed = list(_parse(path, lines, separator))
    if not parsed:
        raise InputError.one("the file is empty", where=str(path), expected="a header line and one row per case")
    return _with_columns(path, parsed, findings)


def _decode(path: Path) -> str:
    content = read_named(path, "table")
    remedy = "Save it as CSV in UTF-8"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError.one("the file is UTF-16 text", where=str(path), expected="UTF-8", remedy=remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError.one("these bytes are not UTF-8 text", where=f"{path.name}:{line}", remedy=remedy) from None


def _parse(path: Path, lines: list[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    start = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield start, stripped
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError.one(
            "this row is not valid CSV",
            where=f"{path.name}:{start}",
            got=str(error),
            remedy="Look for a quotation mark that is not closed, or that stands inside a cell",
        ) from None


def _with_columns(path: Path, parsed: list[tuple[int, list[str]]], findings: Findings) -> Table:
    (header_line, columns), *body = parsed
    for name in sorted({name for name in columns if name and columns.count(name) > 1}):
        where, got = f"{path.name}:{header_line}", f"{columns.count(name)} columns of that name"
        remedy = "Rename or remove one of them"
        findings.add(
            f"the column {name!r} stands twice", where=where, got=got, expected="each name once", remedy=remedy
        )
    rows = []
    for line, cells in body:
        if len(cells) != len(columns):
            findings.add(
                "the row does not fit the header",
                where=f"{path.name}:{line}",
                got=_count(len(cells)),
                expected=_count(len(columns)),
                remedy="A cell that contains the separator must stand in quotation marks",
            )
            continue
        rows.append(Row(line, dict(zip(columns, cells, strict=True))))
    return Table(path, tuple(columns), tuple(rows))


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"

"""CSV files into rows with line numbers: comma, semicolon or tab; quoted cells; a byte-order mark or none."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import read_named

SEPARATORS = (",", ";", "\t")
_INVISIBLE = "\ufeff\u200b\u2060"
_AS_CSV = "In Excel save it as 'CSV UTF-8'; in LibreOffice as 'Text CSV' with the character set UTF-8."
_UNPACK = "Unpack it, and name the table that is in it"
_FROM_THERE = "Save the table itself as CSV in the program in which it was made"
_KINDS = {
    b"PK\3\4": ("a workbook of Excel or LibreOffice (.xlsx, .ods), or another ZIP archive", _AS_CSV),
    b"\xd0\xcf\x11\xe0": ("a workbook of an old Excel (.xls)", _AS_CSV),
    b"\x1f\x8b": ("a file packed with gzip", _UNPACK),
    b"BZh": ("a file packed with bzip2", _UNPACK),
    b"\xfd7zXZ": ("a file packed with xz", _UNPACK),
    b"SQLite format": ("a database", _FROM_THERE),
    b"<": ("a web page or an XML file", _FROM_THERE),
    b"{\\rtf": ("a document of a word processor", _FROM_THERE),
    b"%PDF": ("a PDF document", _FROM_THERE),
}
_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*\"|\[\s*[\[{])")
"""How JSON begins, and no line of names."""


@dataclass(frozen=True)
class Row:
    """One row: the line on which it starts, counted from 1, and its cells by column, without surrounding blanks."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table with named columns. Lines without any content are left out.

    Attributes:
        path: its file.
        columns: the names that stand once, in their order.
        rows: cells of these columns.
        repeated: names that stand several times; nobody can say which of their columns is meant, so none is read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    repeated: tuple[str, ...] = ()


Lines = Sequence[tuple[int, list[str]]]
"""The cells of each line that is not empty, with its number."""


def read_table(path: Path, findings: Findings) -> Table:
    """Read a CSV file. Rows that do not fit the header become findings and are left out of the table.

    Raises `InputError` when the file cannot be read or is not a table.
    """
    return named_table(path, read_lines(path), findings)


def read_lines(path: Path) -> Lines:
    """The cells of a CSV file. Raises `InputError` when it cannot be read, is not a table or is empty."""
    lines = list(io.StringIO(_decode(path), newline=""))  # as CSV ends lines, and not at every sign that Unicode has
    header = next((line for line in lines if line.strip()), "")
    told = re.fullmatch(r'"?sep=(.)"?\s*', header)  # what Excel writes for itself, and reads before the table
    if told:
        lines[lines.index(header)] = "\n"
    separator = told[1] if told else max(SEPARATORS, key=header.count)
    parsed = list(_parse(path, lines, separator))
    if not parsed:
        raise InputError.one(
            "the file is empty",
            where=str(path),
            got="no line",
            expected="a header line and one row per case",
            remedy="Export the table again, or copy the whole file",
        )
    return parsed


def _decode(path: Path) -> str:
    if path.suffix.lower() in (".yaml", ".yml"):
        remedy = "Name the table here, and the study or settings in their own place"
        raise InputError.one(
            "this is no table", where=str(path), got="a YAML file", expected="a CSV file", remedy=remedy
        )
    content = read_named(path, "table")
    _require_content(path, content)
    _require_text(path, content)
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError.one(
            f"these bytes are not {encoding.upper().removesuffix('-SIG')} text",
            where=f"{path.name}:{line}",
            got=_as_windows(content, error.start),
            expected="UTF-8",
            remedy=f"{_AS_CSV} An export in the alphabet of Windows or of old programs loses accents",
        ) from None


def _require_content(path: Path, content: bytes) -> None:
    """Raise `InputError` for a file of zeros alone, as cloud drives leave them."""
    if content and not content.strip(b"\0"):
        raise InputError.one(
            "the file holds nothing",
            where=str(path),
            got=f"a file of {len(content):,} bytes that are all 0",
            expected="a table",
            remedy="Copy it again; or, if it is the placeholder of a cloud drive, let that fetch it",
        )


def _require_text(path: Path, content: bytes) -> None:
    """Raise `InputError` for a workbook, whatever its name, and for text that does not say that it is UTF-16."""
    kind = next((kind for magic, kind in _KINDS.items() if content.startswith(magic)), None)
    if kind is None and _JSON.match(content):
        kind = "JSON", _FROM_THERE
    if kind is not None:
        got, remedy = kind
        if got.endswith("gzip"):
            remedy = _of_packed(path)
        raise InputError.one(
            "the file is not CSV", where=str(path), got=got, expected="a text of rows and separators", remedy=remedy
        )
    if b"\0" in content[:1000] and not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        got = "bytes that are 0, as in UTF-16 without a mark, or in a file that is no text"
        raise InputError.one("the file is not UTF-8 text", where=str(path), got=got, expected="UTF-8", remedy=_AS_CSV)


def _of_packed(path: Path) -> str:
    """What to do about a packed file: a table is unpacked, an image is not."""
    if path.name.lower().endswith(".nii.gz"):
        return "This is an image: name the CSV table that lists the cases"
    return (
        f"Unpack it, for instance with `gunzip {path.name}`, and name {path.stem}" if path.suffix == ".gz" else _UNPACK
    )


def _as_windows(content: bytes, at: int) -> str:
    """The word around a byte as Windows in Western Europe would read it."""
    start = max(content.rfind(sign, 0, at) for sign in (b",", b";", b"\t", b"\n", b"/")) + 1
    word = re.split(rb"[,;\t\r\n/]", content[start : at + 40])[0]
    return f"{word.decode('cp1252', errors='replace')!r}, if the text is of Windows (cp1252)"


def _parse(path: Path, lines: list[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    start = 1
    try:
        for cells in reader:
            stripped = [cell.strip().strip(_INVISIBLE).strip() for cell in cells]
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


def named_table(path: Path, lines: Lines, findings: Findings) -> Table:
    """Lines with the first of them as names. Names that stand twice, and rows that do not fit, become findings."""
    (header_line, named), *body = lines
    columns = _without_empty_end(named, 1)
    repeated = tuple(sorted({name for name in columns if name and columns.count(name) > 1}))
    for name in repeated:
        numbers = [str(number) for number, column in enumerate(columns, start=1) if column == name]
        findings.add(
            f"the column {name!r} stands {'twice' if len(numbers) == 2 else f'{len(numbers)} times'}",
            where=f"{path.name}:{header_line}",
            got=f"columns {', '.join(numbers[:-1])} and {numbers[-1]}",
            expected="each name once",
            remedy="Keep one of them, and remove the others or give them other names",
        )
    rows = []
    for line, stored in body:
        cells = _without_empty_end(stored, len(columns))
        if len(cells) != len(columns):
            findings.add(
                "the row does not fit the header",
                where=f"{path.name}:{line}",
                got=_count(len(cells)),
                expected=_count(len(columns)),
                remedy="A cell that contains the separator must stand in quotation marks",
            )
            continue
        named_cells = zip(columns, cells, strict=True)
        rows.append(Row(line, {name: cell for name, cell in named_cells if name not in repeated}))
    return Table(path, tuple(name for name in columns if name not in repeated), tuple(rows), repeated)


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """Without empty cells at the end, which spreadsheets leave of columns that were deleted; `least` stay."""
    while len(cells) > least and not cells[-1]:
        cells = cells[:-1]
    return cells


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"

"""The first lines of a file: how its cells are parted and what its columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.dialect import DELIMITERS, sniff_delimiter
from apps.contacts.importing.lines import read_lines
from apps.contacts.importing.records import Record, read_records

if TYPE_CHECKING:
    from pathlib import Path

    from apps.contacts.importing.inspecting import Inspection

SAMPLE_CHARACTERS = 64_000


@dataclass(frozen=True, slots=True)
class Heading:
    """`header` holds the names of the columns; people begin at its end."""

    delimiter: str
    header: Record


def read_heading(path: Path, inspection: Inspection, *, delimiter: str | None = None) -> Heading:
    """`delimiter` overrules what the lines suggest.

    Raises FileRefusedError for a file without column names or without people.
    """
    sample = _sample(path, inspection)
    told, skipped = _told_delimiter(sample)
    chosen = delimiter or told or sniff_delimiter(sample[skipped:])
    return Heading(chosen, _header(path, inspection, chosen, skipped=skipped))


def first_rows(
    path: Path, inspection: Inspection, heading: Heading, *, number: int
) -> list[list[str]]:
    """Cells of the first rows that hold any, each as wide as the header."""
    header = heading.header
    lines = read_lines(path, encoding=inspection.encoding, offset=header.end)
    records = read_records(
        lines, delimiter=heading.delimiter, start=header.end, line=header.next_line
    )
    width = len(header.cells)
    filled = (one.cells for one in records if any(map(str.strip, one.cells)))
    return [(cells + [""] * width)[:width] for cells in islice(filled, number)]


def _sample(path: Path, inspection: Inspection) -> list[str]:
    lines: list[str] = []
    characters = 0
    for line in read_lines(path, encoding=inspection.encoding, offset=inspection.mark_bytes):
        characters += len(line.text)
        if lines and characters > SAMPLE_CHARACTERS:
            break
        if line.text.strip() or lines:
            lines.append(line.text)
    return lines


def _told_delimiter(sample: list[str]) -> tuple[str | None, int]:
    """Some spreadsheets tell the delimiter on a first line of its own, `sep=;`."""
    first = sample[0].strip("\r\n") if sample else ""
    if first[:4].lower() == "sep=" and first[4:] in DELIMITERS:
        return first[4:], 1
    return None, 0


def _header(path: Path, inspection: Inspection, delimiter: str, *, skipped: int) -> Record:
    lines = read_lines(path, encoding=inspection.encoding, offset=inspection.mark_bytes)
    records = read_records(lines, delimiter=delimiter, start=inspection.mark_bytes, line=1)
    filled = (one for one in records if any(cell.strip() for cell in one.cells))
    for _ in range(skipped):
        next(filled)
    header = next(filled, None)
    if header is None:
        raise FileRefusedError("The file is empty: it needs a line of column names and people.")
    if header.is_broken:
        raise FileRefusedError(
            f"In the column names, on line {header.line}, a quote is opened but not closed."
        )
    if not any(any(cell.strip() for cell in one.cells) for one in records):
        raise FileRefusedError("The file has column names but no people.")
    return header

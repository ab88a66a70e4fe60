"""CSV files as they come: read in a stream, known again by their beginning and size."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from typing import TYPE_CHECKING

from apps.sms.errors import SmsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_BEGINNING = 65_536
LONGEST_CELL = 100_000


class BadFileError(SmsError):
    """The file cannot be read, or has columns that nobody knows; the message says which."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a file. `ends_at` is the number of the last one, the first being 1."""

    rows: list[dict[str, str]]
    ends_at: int
    bytes_read: int


def fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    return hashlib.sha256(f"{path.stat().st_size} ".encode() + beginning).hexdigest()


def read_pages(
    path: Path, *, known: Collection[str], required: Collection[str], size: int, skip: int
) -> Iterator[Page]:
    """The rows after the first `skip`, in pages; empty cells are left out.

    Raises `BadFileError`.
    """
    csv.field_size_limit(LONGEST_CELL)
    with (
        path.open("rb") as raw,
        TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file,
    ):
        reader = csv.DictReader(file)
        try:
            _check_columns(reader.fieldnames or (), known, required)
            for _ in islice(reader, skip):
                pass
            done = skip
            while rows := [_row(one) for one in islice(reader, size)]:
                done += len(rows)
                yield Page(rows, done, raw.tell())
        except (csv.Error, UnicodeDecodeError) as error:
            told = f"{path.name}, after line {reader.line_num}: {error}"
            raise BadFileError(f"{told}. Save it as CSV in UTF-8.") from None


def _row(cells: dict[str | None, str | list[str] | None]) -> dict[str, str]:
    """Cells beyond the columns show as a column that nobody knows."""
    named = {name or "(beyond the last column)": value for name, value in cells.items()}
    return {name: str(value).strip() for name, value in named.items() if value}


def _check_columns(
    found: Collection[str], known: Collection[str], required: Collection[str]
) -> None:
    unknown = sorted(set(found) - set(known))
    missing = sorted(set(required) - set(found))
    if unknown:
        told = f"Unknown columns: {', '.join(unknown)}."
        raise BadFileError(f"{told} Known are: {', '.join(sorted(known))}.")
    if missing:
        raise BadFileError(f"Missing columns: {', '.join(missing)}.")

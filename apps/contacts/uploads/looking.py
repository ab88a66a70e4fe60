"""What an uploaded file looks like, for the person who decides what its columns become."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.columns import (
    COLUMN_LIMIT,
    suggest_targets,
)
from apps.contacts.importing.heading import first_rows, read_heading
from apps.contacts.importing.inspecting import inspect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

SAMPLE_ROWS = 5
CELL_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Look:
    """`targets` are suggestions, a column each; `rows` the first rows, cells cut for showing.

    What was `chosen_…` is not the file's own suggestion, but the operator's.
    """

    encoding: str
    note: str
    delimiter: str
    header: list[str]
    targets: list[str]
    rows: list[list[str]]
    chosen_encoding: str | None = None
    chosen_delimiter: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        return cls(**saved)


def look_at(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Look:
    """Raises FileRefusedError for what is no CSV file, or has no columns or no people."""
    inspection = inspect(path, encoding=encoding)
    heading = read_heading(path, inspection, delimiter=delimiter)
    header = [_shown(cell) for cell in heading.header.cells]
    while header and not header[-1]:
        header.pop()
    if len(header) > COLUMN_LIMIT:
        raise FileRefusedError(
            f"The file has {len(header)} columns; at most {COLUMN_LIMIT} are read. Leave out those "
            "that are not needed."
        )
    rows = first_rows(path, inspection, heading, number=SAMPLE_ROWS)
    return Look(
        encoding=inspection.encoding,
        note=inspection.note,
        delimiter=heading.delimiter,
        header=header,
        targets=suggest_targets(header),
        rows=[[_shown(cell)[:CELL_SHOWN] for cell in row[: len(header)]] for row in rows],
        chosen_encoding=encoding,
        chosen_delimiter=delimiter,
    )


def _shown(cell: str) -> str:
    """Readable, on one line, and fit for the database."""
    text = cell.encode(errors="replace").decode().replace("\0", "").replace("\ufeff", "")
    return " ".join(text.split())

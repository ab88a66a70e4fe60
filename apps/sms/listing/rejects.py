"""The records of a run that could not be read, as rows for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.sms.models import ListSyncRun

HEADER = ("line", "field", "reason", "number", "opt-in date")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def reject_rows(run: ListSyncRun) -> Iterator[tuple[str, ...]]:
    """A header and a row for each; what a spreadsheet would run as a formula is made harmless."""
    yield HEADER
    rows = run.rejects.values_list("line", "field", "reason", "number", "opt_in_date")
    for row in rows.iterator():
        yield tuple(_harmless(str(cell)) for cell in row)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell

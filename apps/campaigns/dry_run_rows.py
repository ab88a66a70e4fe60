"""Reading what a dry run found: a page to look at, or everything as CSV.

Rows hold no addresses: these come from the contacts as they are now, so that who was erased since
is in no list any more. The order is that of the addresses.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.campaigns.dry_running import has_rows
from apps.campaigns.errors import DryRunError
from apps.contacts.eligibility import SkipReason
from apps.contacts.importing.formulas import escape_formula

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.campaigns.models import DryRun

PAGE_ROWS = 50
CSV_ROWS = 5_000
WOULD_GET, EXCLUDED = "", "excluded"
CSV_COLUMNS = ("email", "first_name", "last_name", "would_get_it", "reason", "reason_in_words")
# Sorts behind every sign of an address: those are printable ASCII.
_BEHIND = "\x7f"


@dataclass(frozen=True)
class Row:
    """Somebody in the audience; `reason` is "" for who would get it."""

    contact_id: int
    address: str
    email: str
    first_name: str
    last_name: str
    reason: str

    @property
    def would_get(self) -> bool:
        return self.reason == WOULD_GET

    @property
    def reason_in_words(self) -> str:
        return in_words(self.reason)


@dataclass(frozen=True)
class Page:
    """`next_after` is the cursor of the next page, "" where this is the last."""

    rows: list[Row]
    next_after: str


def in_words(reason: str) -> str:
    """`has unsubscribed` for `unsubscribed`; "" for who would get it."""
    if reason == EXCLUDED:
        return "is excluded by a rule of the audience"
    return str(SkipReason(reason).label) if reason in SkipReason else reason


_ROWS = """
SELECT c.id, c.address, c.email, c.first_name, c.last_name, r.reason
  FROM {table} r JOIN contacts_contact c ON c.id = r.contact_id
 WHERE c.brand_id = %(brand)s AND c.address > %(after)s
   {begins} {filtered}
 ORDER BY c.address LIMIT %(size)s
"""


def page(
    run: DryRun,
    *,
    prefix: str = "",
    reason: str | None = None,
    after: str = "",
    size: int = PAGE_ROWS,
) -> Page:
    """Rows behind the address `after`; `reason` "" means who would get it, None everybody.

    One or two queries, whatever the size of the run. Raises `DryRunError` where a crash of the
    database took the rows.
    """
    if run.state != run.State.COMPLETED or (run.looked_at and not has_rows(run)):
        raise DryRunError("The rows of this dry run are not there (any more): run it again.")
    rows = _rows(run, prefix.strip().lower(), reason, after, size + 1)
    more = len(rows) > size
    return Page(rows[:size], rows[size - 1].address if more else "")


def csv_lines(run: DryRun, *, prefix: str = "", reason: str | None = None) -> Iterator[str]:
    """A CSV file, piece by piece, with cells that a spreadsheet would run made harmless."""
    writer = csv.writer(_Echo())
    yield writer.writerow(CSV_COLUMNS)
    after = ""
    while True:
        found = page(run, prefix=prefix, reason=reason, after=after, size=CSV_ROWS)
        yield "".join(writer.writerow(_cells(row)) for row in found.rows)
        if not found.next_after:
            return
        after = found.next_after


def _cells(row: Row) -> list[str]:
    told = "yes" if row.would_get else "no"
    cells = (row.email, row.first_name, row.last_name, told, row.reason, row.reason_in_words)
    return [escape_formula(cell) for cell in cells]


class _Echo:
    """What `csv` writes to; hands the line back."""

    def write(self, line: str) -> str:
        return line


def _rows(run: DryRun, prefix: str, reason: str | None, after: str, size: int) -> list[Row]:
    statement = _ROWS.format(
        table=run.rows_table,
        begins="AND c.address >= %(prefix)s AND c.address < %(behind)s" if prefix else "",
        filtered="" if reason is None else "AND r.reason = %(reason)s",
    )
    params: dict[str, Any] = {
        "brand": run.campaign.brand_id,
        "after": after,
        "prefix": prefix,
        "behind": prefix + _BEHIND,
        "reason": reason,
        "size": size,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [Row(*found) for found in cursor.fetchall()]

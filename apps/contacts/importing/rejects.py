"""Rejected rows as a file that can be corrected and imported again."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from django.db import connection, transaction
from psycopg import sql

from apps.contacts.importing.columns import REJECT_COLUMNS
from apps.contacts.importing.formulas import escape_formula, unescape_formula
from apps.contacts.importing.records import parse_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from django.db.backends.utils import CursorWrapper

    from apps.contacts.importing.planning import ImportPlan

PAGE_ROWS = 2000
_REJECTED = """
SELECT line, start, size_bytes, field, message FROM {}
WHERE fault IS NOT NULL ORDER BY line
"""


def write_rejects(*, plan: ImportPlan, table: str, path: Path) -> int:
    """Line, field and reason, then the row as it stands in the file; returns how many rows.

    Nothing is written where no row was rejected. The file replaces an older one at once, whole,
    and only its owner may read it.
    """
    partial = path.with_name(f".{path.name}.partial")
    count = 0
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with partial.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.writer(target, delimiter=plan.delimiter)
        columns = [one.header for one in plan.columns.columns if one.header not in REJECT_COLUMNS]
        writer.writerow([*REJECT_COLUMNS, *map(escape_formula, columns)])
        for row in _rejected_rows(plan, table):
            writer.writerow(row)
            count += 1
    if count:
        partial.replace(path)
    else:
        partial.unlink()
    return count


def count_by_fault(table: str) -> dict[str, int]:
    statement = sql.SQL(
        "SELECT fault, count(*) FROM {} WHERE fault IS NOT NULL GROUP BY fault ORDER BY 2 DESC, 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.format(sql.Identifier(table)))
        return dict(cursor.fetchall())


def _rejected_rows(plan: ImportPlan, table: str) -> Iterator[list[str]]:
    kept = [one.index for one in plan.columns.columns if one.header not in REJECT_COLUMNS]
    with plan.path.open("rb") as source, transaction.atomic(), connection.cursor() as cursor:
        # A cursor of the server: the rejected rows may be a whole file.
        cursor.execute(
            sql.SQL("DECLARE rejected NO SCROLL CURSOR FOR " + _REJECTED).format(
                sql.Identifier(table)
            )
        )
        while rows := _fetch(cursor):
            for line, start, size_bytes, field, message in rows:
                cells = _original(plan, source, start, size_bytes)
                yield [str(line), field, message, *_arranged(plan, cells, kept)]
        # The transaction may be part of a longer one, in which the table is dropped next.
        cursor.execute("CLOSE rejected")


def _fetch(cursor: CursorWrapper) -> list[tuple[int, int, int, str, str]]:
    cursor.execute(f"FETCH {PAGE_ROWS} FROM rejected")
    return list(cursor.fetchall())


def _original(plan: ImportPlan, source: BinaryIO, start: int, size_bytes: int) -> list[str]:
    source.seek(start)
    text = source.read(size_bytes).decode(plan.inspection.encoding, "surrogateescape")
    readable = text.encode(errors="replace").decode().replace("\0", "?")
    return parse_cells(readable, delimiter=plan.delimiter)


def _arranged(plan: ImportPlan, cells: Sequence[str], kept: Sequence[int]) -> list[str]:
    """The cells in the columns of the new file; those beyond the header go along at its end."""
    if plan.columns.is_rejects_file:
        cells = [unescape_formula(cell) for cell in cells]
    width = len(plan.columns.columns)
    inside = [cells[index] if index < len(cells) else "" for index in kept]
    return [escape_formula(cell) for cell in (*inside, *cells[width:])]

"""The table that a file's rows lie in before they are merged, filled by COPY.

It is unlogged: nothing is written twice to disk for rows that are in the file anyway. A crash of
the database empties it, which `count_rows` shows, and the file is then read from its beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

from apps.contacts.importing.people import Person, Rejection

if TYPE_CHECKING:
    from apps.contacts.importing.records import Record

CHUNK_ROWS = 10_000
CHUNK_CHARACTERS = 8_000_000

# Lines and offsets lead back to the row in the file; `fault` is null in rows to merge.
_LAYOUT = """(
    line bigint NOT NULL,
    start bigint NOT NULL,
    size_bytes integer NOT NULL,
    email text,
    address text COLLATE "C",
    first_name text,
    last_name text,
    locale text,
    timezone text,
    traits jsonb,
    field text,
    fault text,
    message text
)"""


class Chunk:
    """Rows as the text that COPY reads; full at a number of rows or characters."""

    def __init__(self) -> None:
        self._rows: list[str] = []
        self._characters = 0
        self.rejected = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= CHUNK_ROWS or self._characters >= CHUNK_CHARACTERS

    def add(self, record: Record, outcome: Person | Rejection) -> None:
        place = f"{record.line}\t{record.start}\t{record.size_bytes}"
        if isinstance(outcome, Person):
            row = f"{place}\t{_row(outcome)}\t\\N\t\\N\t\\N"
        else:
            self.rejected += 1
            row = place + "\t\\N" * 7 + "\t" + _row(outcome)
        self._rows.append(row)
        self._characters += len(row)

    def encode(self) -> bytes:
        return "\n".join([*self._rows, ""]).encode()


def create(table: str, *, temporary: bool = False) -> None:
    """A temporary table is seen by this connection alone and goes with it."""
    kind = sql.SQL("TEMPORARY" if temporary else "UNLOGGED")
    _execute("CREATE {kind} TABLE {table} " + _LAYOUT, table, kind=kind)


def exists(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        return bool(cursor.fetchone()[0])


def drop(table: str) -> None:
    _execute("DROP TABLE IF EXISTS {table}", table)


def empty(table: str) -> None:
    _execute("TRUNCATE {table}", table)


def analyse(table: str) -> None:
    """Tells the planner how many rows there are, before they are joined."""
    _execute("ANALYZE {table}", table)


def count_rows(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        return int(cursor.fetchone()[0])


def copy(table: str, chunk: Chunk) -> None:
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        copying.write(chunk.encode())


def _execute(statement: str, table: str, **parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(table=sql.Identifier(table), **parts))


def _row(values: Person | Rejection) -> str:
    row = "\t".join(values)
    if "\\" in row or "\n" in row or "\r" in row or row.count("\t") >= len(values):
        return "\t".join(map(_escaped, values))
    return row


def _escaped(value: str) -> str:
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )

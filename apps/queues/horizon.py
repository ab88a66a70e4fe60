"""How far a table may be read by id without passing a row that is still to be committed.

Ids are drawn before their rows are committed, so that 7 can be seen while 6 is still on its way,
and a cursor that went on to 7 would never come back. An INSERT holds its lock on the table from
before it draws an id until its rows can be seen. So: take the last id drawn, see who holds the
lock, and wait for those to be gone: then every row up to that id is there or never will be. It is
how PostgreSQL itself waits before it trusts an index that it builds beside running writers.
Transaction ids would not do: a transaction can have drawn a row's id and not yet one of its own.
"""

from __future__ import annotations

import time

from django.db import connection

# Writers of the tables read here are done in milliseconds. A long one (an import's page) is left
# for the next round.
PATIENCE_SECONDS = 1.0
POLL_SECONDS = 0.01

_LAST_DRAWN = "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)"

# Of partitions too: a writer may name one directly.
_WRITERS = """
SELECT virtualtransaction FROM pg_locks
 WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND relation IN (SELECT %(table)s::regclass::oid
                     UNION ALL
                    SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
   AND pid <> pg_backend_pid()
"""


def last_drawn(table: str) -> int:
    """The last id that anybody drew for a row of the table; 0 where nobody did."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_DRAWN, [table])
        return int(cursor.fetchone()[0] or 0)


def settled_until(table: str, *, patience_seconds: float = PATIENCE_SECONDS) -> int | None:
    """An id up to which every row is committed or never will be.

    None where a writer stayed longer than the patience: try again later. Not for use inside a
    transaction that reads from a snapshot of its own (REPEATABLE READ).
    """
    ceiling = last_drawn(table)
    waited_for = _writers(table)
    ends_at = time.monotonic() + patience_seconds
    while waited_for:
        if time.monotonic() >= ends_at:
            return None
        time.sleep(POLL_SECONDS)
        waited_for &= _writers(table)
    return ceiling


def _writers(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, {"table": table})
        return {row[0] for row in cursor.fetchall()}

"""When an error means that the database is away; and statements that it keeps prepared."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import InterfaceError, InternalError, OperationalError, connection
from psycopg.errors import FeatureNotSupported, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

_AWAY = (OperationalError, InterfaceError)


def is_database_away(error: BaseException) -> bool:
    """Whether work may simply be done later: no connection, a crash, a server that is read-only.

    A read-only server is one during a failover, or whose disk is full.
    """
    if isinstance(error, _AWAY):
        return True
    return isinstance(error, InternalError) and isinstance(error.__cause__, ReadOnlySqlTransaction)


# Without a threshold, which is how Django opens connections, psycopg prepares nothing at all, asked
# or not; with this one, nothing that does not ask.
_ONLY_WHERE_ASKED = 2**31


class _PreparingCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> _PreparingCursor:
        self.connection.prepare_threshold = _ONLY_WHERE_ASKED
        try:
            super().execute(query, params, **{**options, "prepare": True})
        except FeatureNotSupported:
            # A migration has changed a column's type since: nothing was done, and planning anew is
            # all it takes. Within a transaction there is no second try.
            if self.connection.info.transaction_status is not TransactionStatus.IDLE:
                raise
            super().execute(query, params, **{**options, "prepare": False})
        finally:
            self.connection.prepare_threshold = None
        return self

    def _send_query_prepared(self, name: bytes, pgq: Any, *, binary: bool | None = None) -> None:
        self._query = pgq  # for Django's log of statements; psycopg forgets it on this way
        super()._send_query_prepared(name, pgq, binary=binary)


@contextmanager
def preparing_cursor() -> Iterator[CursorWrapper]:
    """As `connection.cursor()`, but what it executes stays prepared for as long as the connection.

    For the few statements that run thousands of times with long texts: planning them, and writing
    their values into the text, takes longer than executing them. Values are typed by the statement,
    so each wants its cast.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, _PreparingCursor(connection.connection) as cursor:
        wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
        yield wrap(cursor)  # type: ignore[arg-type] # Django wraps database cursors; its stubs differ

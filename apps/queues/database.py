"""When an error means that the database is away, and no fault of the work."""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction

_AWAY = (OperationalError, InterfaceError)


def is_database_away(error: BaseException) -> bool:
    """Whether work may simply be done later: no connection, a crash, a server that is read-only.

    A read-only server is one during a failover, or whose disk is full.
    """
    if isinstance(error, _AWAY):
        return True
    return isinstance(error, InternalError) and isinstance(error.__cause__, ReadOnlySqlTransaction)

"""Monthly partitions: made ahead, dropped when their retention has passed.

A room registers its partitioned tables; migrations and a scheduled job call `ensure_partitions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger(__name__)

MONTHS_AHEAD = 3
# Waiting longer for a lock would queue every sender up behind this job.
LOCK_TIMEOUT = "2s"
# What grows here is written once and changed a little later: room for that on the same page.
FILL_PERCENT = 70
EACH_CHANGED_FILL_PERCENT = 50
"""Where statements change whole pages of rows at once: each row needs room for its next version."""


@dataclass(frozen=True)
class MonthlyTable:
    """A table partitioned by RANGE on a date or timestamp; each partition is one month, UTC.

    No `retention_months`: its room lets go of the partitions itself, such as after archiving them.
    `fill_percent` is how full inserts make a page of partitions that are made from now on.
    """

    name: str
    retention_months: int | None
    fill_percent: int = FILL_PERCENT


_tables: dict[str, MonthlyTable] = {}


def register_monthly_table(table: MonthlyTable) -> None:
    _tables[table.name] = table


def registered_tables() -> list[MonthlyTable]:
    return list(_tables.values())


def months_from(first: date, *, count: int) -> Iterable[date]:
    """The first days of `count` months, from the month of `first` on."""
    start = first.year * 12 + first.month - 1
    for index in range(start, start + count):
        yield date(index // 12, index % 12 + 1, 1)


def ensure_partitions(
    table_name: str, *, around: date | None = None, cursor: Any = None
) -> list[str]:
    """Makes the partitions of last month, this one and `MONTHS_AHEAD` more; returns the new ones.

    Last month's is for what arrives late: an event of 23:59 on the last day.
    """
    today = around or datetime.now(tz=UTC).date()
    first = next(iter(months_from(_months_before(today, 1), count=1)))
    made = []
    for month in months_from(first, count=MONTHS_AHEAD + 2):
        name = partition_name(table_name, month)
        if _create(table_name, name, month, cursor):
            made.append(name)
    return made


def drop_expired_partitions(table: MonthlyTable, *, today: date | None = None) -> list[str]:
    """Drops the partitions older than the table's retention; returns their names."""
    if table.retention_months is None:
        return []
    now = today or datetime.now(tz=UTC).date()
    oldest_kept = partition_name(table.name, _months_before(now, table.retention_months))
    expired = [name for name in existing_partitions(table.name) if name < oldest_kept]
    for name in expired:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
        log.info("partition_dropped", table=table.name, partition=name)
    return expired


def existing_partitions(table_name: str) -> list[str]:
    """The names of the table's partitions, oldest first (the name sorts as its month does)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits"
            " JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = %s::regclass ORDER BY 1",
            [table_name],
        )
        return [row[0] for row in cursor.fetchall()]


def partition_name(table_name: str, month: date) -> str:
    return f"{table_name}_{month:%Y_%m}"


def _months_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def _create(table_name: str, name: str, month: date, cursor: Any) -> bool:
    if cursor is None:
        with connection.cursor() as own_cursor:
            return _create(table_name, name, month, own_cursor)
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
    if cursor.fetchone()[0]:
        return False
    following = list(months_from(month, count=2))[1]
    cursor.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})"
            " WITH (fillfactor = {})"
        ).format(
            sql.Identifier(name),
            sql.Identifier(table_name),
            sql.Literal(month.isoformat()),
            sql.Literal(following.isoformat()),
            sql.Literal(_fill_percent(table_name)),
        )
    )
    return True


def _fill_percent(table_name: str) -> int:
    table = _tables.get(table_name)
    return table.fill_percent if table else FILL_PERCENT


def maintain() -> None:
    """The scheduled job: makes what is coming, drops what has expired, table by table."""
    for table in registered_tables():
        made = ensure_partitions(table.name)
        dropped = drop_expired_partitions(table)
        log.info("partitions_maintained", table=table.name, made=len(made), dropped=len(dropped))

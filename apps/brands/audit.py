"""Which tables are audited: one generic trigger writes every change, whoever makes it.

The trigger keeps what changed in `brands_auditentry` (see `models.AuditEntry`); who did it is what
`acting` told the connection. Explained in docs/adr/0010.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django.db import connection, migrations

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def audit_table(
    table: str,
    *,
    brand_column: str | None = "brand_id",
    hidden: Iterable[str] = (),
    ignored: Iterable[str] = (),
) -> list[migrations.RunSQL]:
    """Operations for a migration that depends on `("brands", "0004_audit")`.

    `brand_column` holds the brand's id (`None`: rows of the whole installation). Columns in
    `hidden` (keys, secrets, personal data) are told as changed without their values; a change of
    `ignored` columns alone (clocks, counters) is not told. The table's key must be `id`.
    """
    arguments = [brand_column or "", ",".join(hidden), ",".join(ignored)]
    for name in [table, *",".join(arguments).split(",")]:
        if name and not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain lower-case name of a table or column.")
    quoted = ", ".join(f"'{argument}'" for argument in arguments)
    drop = f"DROP TRIGGER IF EXISTS audit_{table} ON {table}"
    create = (
        f"CREATE TRIGGER audit_{table} AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION brands_audit({quoted})"
    )
    return [migrations.RunSQL([drop, create], drop)]


def record_by_hand(
    *, actor: str, subject: str, subject_id: int, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """For what a person changes that is no row, such as a breaker which lives in the broker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT brands_audit_partition(statement_timestamp())")
        cursor.execute(
            "INSERT INTO brands_auditentry"
            " (at, actor, table_name, object_id, action, before, after)"
            " VALUES (statement_timestamp(), %s, %s, %s, 'update', %s, %s)",
            [actor, subject, str(subject_id), json.dumps(before), json.dumps(after)],
        )

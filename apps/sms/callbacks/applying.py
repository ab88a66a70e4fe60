"""Working off the provider's calls: what they say beyond leaving, which was obeyed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.sms.callbacks.reading import OPT_IN, OPT_OUT, OPT_OUT_ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger(__name__)

PAGE = 500
OUTCOMES = {
    OPT_OUT: "left at once",
    OPT_OUT_ALL: "left at once",
    OPT_IN: "left to the next list sync, which asks the provider",
}
UPDATED = "details filled in"
UNKNOWN = "nobody has this number"


def apply_callbacks() -> int:
    """Works off what waits, page by page; returns how many calls."""
    total = 0
    while done := _apply_page():
        total += done
    if total:
        log.info("callbacks_applied", callbacks=total)
    return total


@transaction.atomic
def _apply_page() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [PAGE])
        rows = cursor.fetchall()
        if rows:
            cursor.execute(_FILL_IN, [[number for number, _ in rows]])
            known = {number for (number,) in cursor.fetchall()}
            cursor.execute(_DONE, _outcomes(rows, known))
    return len(rows)


def _outcomes(rows: Iterable[tuple[int, str]], known: set[int]) -> list[list[object]]:
    pairs = [
        (number, OUTCOMES.get(action) or (UPDATED if number in known else UNKNOWN))
        for number, action in rows
    ]
    return [[number for number, _ in pairs], [outcome for _, outcome in pairs]]


_CLAIM = """
SELECT id, action FROM sms_limecallback WHERE state = 'waiting'
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""

# The calls are not signed: they fill gaps, and never overwrite what is known.
_FILL_IN = """
WITH told AS (
    SELECT DISTINCT ON (phone) phone, fields FROM sms_limecallback
    WHERE id = ANY(%s) AND fields <> '{}' ORDER BY phone, id DESC
), locked AS (
    SELECT s.id, told.phone, told.fields FROM sms_subscriber s JOIN told USING (phone)
    ORDER BY s.phone FOR NO KEY UPDATE OF s
), filled AS (
    UPDATE sms_subscriber s SET
        first_name = coalesce(nullif(s.first_name, ''), left(fields ->> 'firstName', 100), ''),
        last_name = coalesce(nullif(s.last_name, ''), left(fields ->> 'lastName', 100), ''),
        email = coalesce(s.email, lower(left(substring(
            fields ->> 'email' FROM '^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$'), 320))),
        updated_at = statement_timestamp()
    FROM locked WHERE locked.id = s.id
    RETURNING s.phone
)
SELECT c.id FROM sms_limecallback c JOIN filled USING (phone) WHERE c.state = 'waiting'
"""

_DONE = """
UPDATE sms_limecallback c
SET state = 'done', outcome = done.outcome, applied_at = statement_timestamp()
FROM unnest(%s::bigint[], %s::text[]) AS done (id, outcome) WHERE c.id = done.id
"""

"""From staged rows to contacts: one statement, however many rows there are.

A row is written only where it changes something, so the same file twice changes nothing. Nobody
who left is subscribed again: the status of a contact that exists is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db import connection
from psycopg import sql

from apps.contacts import digests
from apps.contacts.importing.people import Fault
from apps.contacts.models import ConsentKind, ConsentSource, ContactStatus, TopicState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

ERASED_PAGE = 10_000
# One pass is enough unless somebody signs up, during the merge, with an address of the file.
PASSES_AT_MOST = 5


class OnConflict(StrEnum):
    """Which side wins where the contact and the file differ. An empty cell never erases."""

    FILL = "fill"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class MergeOrder:
    """What to make of the staged rows. `consent` is the operator's declaration."""

    brand_id: int
    status: ContactStatus
    on_conflict: OnConflict
    consent: str
    detail: str
    topic_ids: Sequence[int]
    correlation_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """`suppressed` and `unsubscribed_kept` are among the others: imported, but not mailed."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    opted_in: int = 0
    suppressed: int = 0
    unsubscribed_kept: int = 0


def prepare(table: str) -> None:
    """Marks the rows that must not be merged: later doubles of an address, and erased people.

    Inside a transaction that holds the lock of `digests.hold_off_erasing`.
    """
    with connection.cursor() as cursor:
        # A million rows take longer than any request may; and sorting in memory is much faster.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        # The planner guesses how many rows the statement's own parts will hand on. Guessing a few
        # where there are thousands, it once looped over their product for minutes.
        cursor.execute("SET LOCAL enable_nestloop = off")
    _run(_MARK_DOUBLES, table, duplicate=Fault.DUPLICATE)
    if digests.any_erased():
        for addresses in _address_pages(table):
            erased = digests.find_erased(addresses)
            if erased:
                _run(_MARK_ERASED, table, erased=list(erased), fault=Fault.ERASED)


def merge(table: str, order: MergeOrder) -> MergeCounts:
    """Inside the transaction of `prepare`."""
    created = updated = opted_in = 0
    for _ in range(PASSES_AT_MOST):
        row = _run(_MERGE, table, on_conflict=order.on_conflict, **_parameters(order))[0]
        found = dict(zip(_MERGE_COUNTS, row, strict=True))
        created += found["created"]
        updated += found["updated"]
        opted_in += found["opted_in"]
        if found["created"] + found["known"] >= found["staged"]:
            break
    return MergeCounts(
        created=created,
        updated=updated,
        unchanged=found["staged"] - created - updated,
        opted_in=opted_in,
        suppressed=found["suppressed"],
        unsubscribed_kept=found["unsubscribed"],
    )


def preview(table: str, order: MergeOrder) -> MergeCounts:
    """What `merge` would do now; writes nothing to the contacts."""
    row = _run(_PREVIEW, table, on_conflict=order.on_conflict, **_parameters(order))[0]
    return MergeCounts(**dict(zip([one.name for one in fields(MergeCounts)], row, strict=True)))


def _parameters(order: MergeOrder) -> dict[str, Any]:
    return {
        "brand": order.brand_id,
        "status": order.status,
        "consent": order.consent,
        "detail": order.detail,
        "topics": list(order.topic_ids),
        "correlation": order.correlation_id,
        "now": order.now,
        "imported": ConsentKind.IMPORTED,
        "topic_opt_in": ConsentKind.TOPIC_OPT_IN,
        "source": ConsentSource.IMPORT,
        "opt_in": TopicState.OPT_IN,
        "unsubscribed": ContactStatus.UNSUBSCRIBED,
    }


def _run(
    statement: str, table: str, *, on_conflict: OnConflict = OnConflict.FILL, **parameters: Any
) -> list[tuple[Any, ...]]:
    composed = sql.SQL(statement).format(
        rows=sql.Identifier(table),
        columns=sql.SQL(", ".join(_COLUMNS)),
        old=sql.SQL(", ".join(f"c.{name}" for name in _COLUMNS)),
        staged=sql.SQL(", ".join(f"s.{name}" for name in _COLUMNS)),
        new=sql.SQL(", ".join(_NEW_VALUES[on_conflict])),
    )
    with connection.cursor() as cursor:
        cursor.execute(composed, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def _address_pages(table: str) -> Iterator[list[str]]:
    after = ""
    while True:
        rows = _run(_ADDRESS_PAGE, table, after=after, size=ERASED_PAGE)
        if not rows:
            return
        yield [address for (address,) in rows]
        after = rows[-1][0]


_TEXTS = ("first_name", "last_name", "locale", "timezone")
_COLUMNS = ("email", *_TEXTS, "traits")
_NEW_VALUES = {
    OnConflict.FILL: (
        "c.email",
        *(f"CASE WHEN c.{name} = '' THEN s.{name} ELSE c.{name} END" for name in _TEXTS),
        "s.traits || c.traits",
    ),
    OnConflict.OVERWRITE: (
        "s.email",
        *(f"CASE WHEN s.{name} = '' THEN c.{name} ELSE s.{name} END" for name in _TEXTS),
        "c.traits || s.traits",
    ),
}

_MARK_DOUBLES = """
UPDATE {rows} s
SET field = 'email', fault = %(duplicate)s,
    message = 'duplicate of line ' || doubled.first_line || ', which counts'
FROM (
    SELECT line, address, first_value(line) OVER (PARTITION BY address ORDER BY line) AS first_line
    FROM {rows} WHERE fault IS NULL
) doubled
WHERE s.line = doubled.line AND doubled.line <> doubled.first_line
"""

_ADDRESS_PAGE = """
SELECT address FROM {rows}
WHERE fault IS NULL AND address > %(after)s
ORDER BY address LIMIT %(size)s
"""

_MARK_ERASED = """
UPDATE {rows}
SET field = 'email', fault = %(fault)s,
    message = 'This person had all traces removed and cannot be imported: leave the row out.'
WHERE fault IS NULL AND address = ANY(%(erased)s)
"""

# What every part sees is one snapshot: the contacts as they were before the statement.
_MERGE_COUNTS = (
    "staged", "known", "unsubscribed", "suppressed", "created", "updated", "opted_in"
)  # fmt: skip
_MERGE = """
WITH created AS (
    INSERT INTO contacts_contact
        (brand_id, address, {columns}, status, status_changed_at, created_at, updated_at)
    SELECT %(brand)s, s.address, {staged}, %(status)s, %(now)s, %(now)s, %(now)s
    FROM {rows} s
    WHERE s.fault IS NULL AND NOT EXISTS (
        SELECT FROM contacts_contact c WHERE c.brand_id = %(brand)s AND c.address = s.address
    )
    ON CONFLICT (brand_id, address) DO NOTHING
    RETURNING id
), updated AS (
    UPDATE contacts_contact c
    SET ({columns}) = ROW({new}), updated_at = %(now)s
    FROM {rows} s
    WHERE s.fault IS NULL AND c.brand_id = %(brand)s AND c.address = s.address
        AND ROW({old}) IS DISTINCT FROM ROW({new})
    RETURNING c.id
), consented AS (
    INSERT INTO contacts_consentrecord
        (contact_id, kind, source, detail, text_shown, correlation_id, occurred_at)
    SELECT id, %(imported)s, %(source)s, %(detail)s, %(consent)s, %(correlation)s, %(now)s
    FROM created
), opted_in_with_contact AS (
    INSERT INTO contacts_topicsubscription (contact_id, topic_id, state, changed_at)
    SELECT created.id, topic.id, %(opt_in)s, %(now)s
    FROM created CROSS JOIN unnest(%(topics)s::bigint[]) AS topic (id)
), opted_in AS (
    INSERT INTO contacts_topicsubscription (contact_id, topic_id, state, changed_at)
    SELECT c.id, topic.id, %(opt_in)s, %(now)s
    FROM unnest(%(topics)s::bigint[]) AS topic (id)
    CROSS JOIN {rows} s
    JOIN contacts_contact c ON c.brand_id = %(brand)s AND c.address = s.address
    WHERE s.fault IS NULL AND c.status <> %(unsubscribed)s AND NOT EXISTS (
        SELECT FROM contacts_topicsubscription t WHERE t.topic_id = topic.id AND t.contact_id = c.id
    )
    ON CONFLICT (topic_id, contact_id) DO NOTHING
    RETURNING contact_id, topic_id
), topic_consented AS (
    INSERT INTO contacts_consentrecord
        (contact_id, topic_id, kind, source, detail, text_shown, correlation_id, occurred_at)
    SELECT contact_id, topic_id, %(topic_opt_in)s, %(source)s, %(detail)s, %(consent)s,
        %(correlation)s, %(now)s
    FROM opted_in
), staged AS (
    SELECT count(*) AS rows, count(c.id) AS known,
        count(*) FILTER (WHERE c.status = %(unsubscribed)s) AS unsubscribed
    FROM {rows} s
    LEFT JOIN contacts_contact c ON c.brand_id = %(brand)s AND c.address = s.address
    WHERE s.fault IS NULL
)
SELECT staged.rows, staged.known, staged.unsubscribed, (
        SELECT count(*) FROM {rows} s WHERE s.fault IS NULL AND EXISTS (
            SELECT FROM contacts_suppression p
            WHERE p.address = s.address AND p.lifted_at IS NULL
                AND (p.brand_id IS NULL OR p.brand_id = %(brand)s)
        )
    ),
    (SELECT count(*) FROM created), (SELECT count(*) FROM updated), (SELECT count(*) FROM opted_in)
FROM staged
"""

_PREVIEW = """
WITH outcome AS (
    SELECT c.id, c.status, s.address, ROW({old}) IS DISTINCT FROM ROW({new}) AS differs
    FROM {rows} s
    LEFT JOIN contacts_contact c ON c.brand_id = %(brand)s AND c.address = s.address
    WHERE s.fault IS NULL
)
SELECT count(*) FILTER (WHERE id IS NULL),
    count(*) FILTER (WHERE id IS NOT NULL AND differs),
    count(*) FILTER (WHERE id IS NOT NULL AND NOT differs),
    (
        SELECT count(*) FROM outcome CROSS JOIN unnest(%(topics)s::bigint[]) AS topic (id)
        WHERE outcome.id IS NOT NULL AND outcome.status <> %(unsubscribed)s AND NOT EXISTS (
            SELECT FROM contacts_topicsubscription t
            WHERE t.topic_id = topic.id AND t.contact_id = outcome.id
        )
    ),
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM contacts_suppression p
        WHERE p.address = outcome.address AND p.lifted_at IS NULL
            AND (p.brand_id IS NULL OR p.brand_id = %(brand)s)
    )),
    count(*) FILTER (WHERE status = %(unsubscribed)s)
FROM outcome
"""

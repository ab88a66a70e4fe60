"""Taking people into sequences: set-based, page by page, each once."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from apps.newsletter.models import Sequence
from apps.newsletter.recording import recorded
from apps.newsletter.sequences import conditions
from apps.newsletter.sequences.dues import Dues

if TYPE_CHECKING:
    from datetime import datetime

    from apps.newsletter.models import SequenceStep

PAGE_SIZE = 10_000
# Far below the task's time limit, with the steps that are worked off behind it.
TURN_SECONDS = 60.0

# Who was in it before stays out: for good, or until so many days after the last thing happened.
NOT_BEEN_IN_IT = """NOT EXISTS (
    SELECT FROM newsletter_enrolment known
     WHERE known.sequence_id = %(sequence)s AND known.contact_id = c.id
       AND (known.state = 'active' OR %(again_days)s::int IS NULL
            OR greatest(known.moved_at, known.ended_at)
               > statement_timestamp() - make_interval(days => %(again_days)s::int)))"""

_PAGE = """
SELECT statement_timestamp(), zone, array_agg(id ORDER BY id)
  FROM (SELECT c.id, coalesce(nullif(c.timezone, ''), %(brand_zone)s) AS zone
          FROM contacts_contact c
         WHERE c.brand_id = %(brand)s AND c.status = 'subscribed' AND c.erased_at IS NULL
           AND c.id > %(after)s AND ({entry}) AND {not_been_in_it}
         ORDER BY c.id LIMIT {size}) page
 GROUP BY zone
"""

_ENTER = """
INSERT INTO newsletter_enrolment (sequence_id, version_id, contact_id, state, position, due_at)
SELECT %(sequence)s, %(version)s, given.contact, 'active', %(position)s, given.due_at
  FROM unnest(%(contacts)s::bigint[], %(dues)s::timestamptz[]) AS given (contact, due_at)
    ON CONFLICT (sequence_id, contact_id) WHERE state = 'active' DO NOTHING
"""


def enter_all(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Looks through all active sequences; returns how many people entered one.

    Who is not reached in this turn is looked at in the next.
    """
    ends_at = time.monotonic() + turn_seconds
    return sum(enter(sequence, ends_at=ends_at) for sequence in with_parts())


def with_parts() -> list[Sequence]:
    return list(Sequence.objects.active().select_related("brand", "current").order_by("pk"))


def enter(sequence: Sequence, *, ends_at: float = math.inf) -> int:
    """All who meet the conditions now; two statements a page."""
    version = sequence.current
    first = version.steps.first() if version else None
    if version is None or first is None:
        return 0
    entry = conditions.entry(conditions.rules_of(version), takes_everybody=sequence.takes_everybody)
    asked = _PAGE.format(
        entry=entry.sql,
        not_been_in_it=NOT_BEEN_IN_IT,
        size=PAGE_SIZE,
    )
    params = {**entry.params, **standing_params(sequence)}
    with recorded(
        "sequence.enter", brand_id=sequence.brand_id, sequence=sequence.pk, version=version.pk
    ) as run:
        after: int | None = 0
        while after is not None and time.monotonic() < ends_at:
            entered, after = _enter_page(sequence, first, asked, {**params, "after": after})
            run.row_count += entered
        run.quiet = not run.row_count
    return run.row_count


def standing_params(sequence: Sequence) -> dict[str, Any]:
    """What `entry` and `NOT_BEEN_IN_IT` read."""
    return {
        "sequence": sequence.pk,
        "brand": sequence.brand_id,
        "brand_zone": sequence.brand.timezone,
        "since": sequence.enters_since,
        "again_days": sequence.again_after_days,
    }


def _enter_page(
    sequence: Sequence, first: SequenceStep, asked: str, params: dict[str, Any]
) -> tuple[int, int | None]:
    """How many entered, and behind whom to go on; None where that were all."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(asked, params)
        contacts, dues = _by_zone(sequence, first, cursor.fetchall())
        if not contacts:
            return 0, None
        cursor.execute(
            _ENTER,
            {
                "sequence": sequence.pk,
                "version": sequence.current_id,
                "position": first.position,
                "contacts": contacts,
                "dues": dues,
            },
        )
        return int(cursor.rowcount), max(contacts) if len(contacts) == PAGE_SIZE else None


def _by_zone(
    sequence: Sequence, first: SequenceStep, groups: list[tuple[datetime, str, list[int]]]
) -> tuple[list[int], list[datetime]]:
    reader = Dues(sequence.brand.timezone)
    contacts: list[int] = []
    dues: list[datetime] = []
    for now, zone, ids in groups:
        contacts += ids
        dues += [reader.due(now, step=first, zone=zone)] * len(ids)
    return contacts, dues

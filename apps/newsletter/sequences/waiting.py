"""What of sequences is due: for the health of the queue, and for whoever asks."""

from __future__ import annotations

from django.db import connection

from apps.queues.health.backlogs import Backlog, ask_backlog

# Counted in steps that somebody is due for: a page of people is one piece of work.
_BACKLOG = """
SELECT count(*), min(due.due_at), 0
  FROM newsletter_sequence sequence
  JOIN newsletter_sequenceversion version
    ON version.sequence_id = sequence.id AND version.published_at IS NOT NULL
  JOIN newsletter_sequencestep step ON step.version_id = version.id
 CROSS JOIN LATERAL (
       SELECT e.due_at FROM newsletter_enrolment e
        WHERE e.version_id = version.id AND e.position = step.position AND e.state = 'active'
          AND e.due_at <= statement_timestamp()
        ORDER BY e.due_at LIMIT 1) due
 WHERE sequence.state = 'active'
"""


def backlog() -> Backlog:
    return ask_backlog(_BACKLOG)


_DUE_PEOPLE = """
SELECT sequence.id, count(*)
  FROM newsletter_sequence sequence
  JOIN newsletter_enrolment e ON e.sequence_id = sequence.id
 WHERE sequence.state = 'active' AND (%(brand)s::bigint IS NULL OR sequence.brand_id = %(brand)s)
   AND e.state = 'active' AND e.due_at <= statement_timestamp()
 GROUP BY sequence.id
"""


def due_people(*, brand_id: int | None = None) -> dict[int, int]:
    """By sequence, for how many people a step is due now."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE_PEOPLE, {"brand": brand_id})
        return dict(cursor.fetchall())

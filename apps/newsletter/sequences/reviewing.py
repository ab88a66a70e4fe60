"""People under way whose goal is reached, or who are to leave, though no step is due for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.newsletter.models import SequenceVersion
from apps.newsletter.recording import recorded
from apps.newsletter.sequences import conditions, step_mailings

if TYPE_CHECKING:
    from apps.newsletter.sequences.conditions import Endings

# `verdict` is found once per person, and only of those who wait.
_END = """
WITH judged AS MATERIALIZED (
    SELECT e.id, {verdict} AS verdict
      FROM newsletter_enrolment e JOIN contacts_contact c ON c.id = e.contact_id
     WHERE e.version_id = %(version)s AND e.state = 'active'
)
UPDATE newsletter_enrolment e
   SET state = (%(states)s::text[])[verdict], ended_reason = (%(reasons)s::text[])[verdict],
       due_at = NULL, ended_at = statement_timestamp(), moved_at = statement_timestamp()
  FROM judged
 WHERE judged.id = e.id AND judged.verdict IS NOT NULL AND e.state = 'active'
"""


def review() -> int:
    """Looks at everybody in active sequences; returns how many came to their end.

    Also finishes the mailings of months that are over.
    """
    step_mailings.finish_past_months()
    versions = SequenceVersion.objects.filter(
        sequence__state="active", published_at__isnull=False
    ).select_related("sequence")
    return sum(_review(version) for version in versions.order_by("pk"))


def _review(version: SequenceVersion) -> int:
    endings = conditions.endings(conditions.rules_of(version))
    if not endings.states:
        return 0
    sequence = version.sequence
    with recorded(
        "sequence.review",
        brand_id=sequence.brand_id,
        sequence=sequence.pk,
        version=version.number,
    ) as run:
        run.row_count = _end(version, endings)
        run.quiet = not run.row_count
    return run.row_count


def _end(version: SequenceVersion, endings: Endings) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _END.format(verdict=endings.verdict),
            {
                **endings.params,
                "version": version.pk,
                "states": endings.states,
                "reasons": endings.reasons,
            },
        )
        return int(cursor.rowcount)

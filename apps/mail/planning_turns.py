"""Planning a mailing's audience turn by turn, whatever the mailing belongs to.

Everything that says how far it came is in the database: a planner that is killed between or inside
pages is followed by another, which goes on at the cursor.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection
from psycopg import sql

from apps.mail import mailings
from apps.mail.planning import plan_page
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from apps.mail.models import Mailing
    from apps.mail.planning import Selection

# Then the next audience gets its turn. Far below the task's time limit.
TURN_SECONDS = 60.0
# A planner that made no page for so long is gone; one at work makes a page in a fraction of it.
_SILENT_SECONDS = 3
_DUE_AT_MOST = 50


@dataclass(frozen=True)
class Turn:
    """How many pages were planned, and whether there is work left for another turn."""

    pages: int
    goes_on: bool
    complete: bool = False


def plan_for_a_turn(mailing: Mailing, selection: Selection, *, seconds: float) -> Turn:
    """Plans page after page and wakes the senders after each.

    Ends early where the audience is complete, or the mailing paused or cancelled; resuming it
    wakes the planner again.
    """
    ends_at = time.monotonic() + seconds
    pages = 0
    while time.monotonic() < ends_at:
        page = plan_page(mailing_id=mailing.pk, selection=selection)
        if page.batches:
            mailings.wake_senders(account_id=mailing.account_id)
        nothing = not (page.planned or page.skipped)
        pages += not nothing
        if page.complete:
            # Where everybody was skipped there is no batch whose end would complete the mailing.
            enqueue(TaskName.CLOSE_MAILINGS)
        if page.complete or nothing:
            return Turn(pages, goes_on=False, complete=page.complete)
    return Turn(pages, goes_on=True)


_SILENT = sql.SQL("""
SELECT owner.id
  FROM mail_mailing mailing
  JOIN {owner} owner ON owner.mailing_id = mailing.id
  LEFT JOIN LATERAL (
       SELECT created_at FROM mail_audiencepage
        WHERE mailing_id = mailing.id ORDER BY after_contact DESC LIMIT 1) page ON true
 WHERE mailing.state = 'running' AND mailing.kind = 'bulk'
   AND mailing.audience_completed_at IS NULL
   AND greatest(page.created_at, mailing.state_changed_at)
       < now() - make_interval(secs => {seconds})
 LIMIT {most}
""")


def silent_audiences(table: str) -> list[int]:
    """The ids in `table` whose mailing is under way while its planner is gone.

    The table has a `mailing_id`. A planner is gone where it was killed or its wake-up was lost.
    """
    query = _SILENT.format(
        owner=sql.Identifier(table),
        seconds=sql.Literal(_SILENT_SECONDS),
        most=sql.Literal(_DUE_AT_MOST),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row_id for (row_id,) in cursor.fetchall()]

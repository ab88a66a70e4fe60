"""How far several campaigns are: one statement for a page of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.models import Mailing

if TYPE_CHECKING:
    from collections.abc import Collection

# Long enough to smooth the steps of 100, short enough to follow a change.
RATE_SECONDS = 30


@dataclass(frozen=True)
class Glance:
    """Numbers of people; `per_second` of the last half minute, 0 where nothing moves."""

    state: str
    audience: int
    audience_complete: bool
    done: int
    per_second: float

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // self.audience) if self.audience else 100

    @property
    def left(self) -> timedelta | None:
        """Until the end at this speed; None where that cannot be told."""
        if self.state != Mailing.State.RUNNING or not self.per_second:
            return None
        if not self.audience_complete:
            return None
        return timedelta(seconds=round((self.audience - self.done) / self.per_second))


# Of completed ones the pages tell everything; batches are added up for the few that are not.
_GLANCES = f"""
SELECT mailing.id, mailing.state, mailing.audience_completed_at IS NOT NULL,
       pages.planned, pages.skipped, coalesce(batches.done, pages.planned),
       coalesce(batches.lately, 0)
  FROM mail_mailing mailing
 CROSS JOIN LATERAL (
           SELECT coalesce(sum(planned), 0)::bigint AS planned,
                  coalesce(sum((SELECT sum(value::bigint) FROM jsonb_each_text(page.skipped))), 0)
                  ::bigint AS skipped
             FROM mail_audiencepage page WHERE mailing_id = mailing.id
       ) pages
  LEFT JOIN LATERAL (
           SELECT coalesce(sum(sent + failed + unknown + skipped), 0)::bigint AS done,
                  coalesce(sum(sent + failed + unknown + skipped) FILTER (
                      WHERE settled_at > now() - make_interval(secs => {RATE_SECONDS})), 0)
                  ::bigint AS lately
             FROM mail_batch WHERE mailing_id = mailing.id
       ) batches ON mailing.state <> '{Mailing.State.COMPLETED}'
 WHERE mailing.id = ANY(%s)
"""


def glances(mailing_ids: Collection[int]) -> dict[int, Glance]:
    """By mailing; no query where there are none."""
    if not mailing_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_GLANCES, [list(mailing_ids)])
        rows = cursor.fetchall()
    return {
        mailing_id: Glance(
            state=state,
            audience=planned + skipped,
            audience_complete=complete,
            done=done + skipped,
            per_second=lately / RATE_SECONDS,
        )
        for mailing_id, state, complete, planned, skipped, done, lately in rows
    }

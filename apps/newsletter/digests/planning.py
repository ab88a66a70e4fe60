"""Turning a digest's readers into messages, page by page, as any audience."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from django.db import connection

from apps.contacts.models import TopicState
from apps.mail import mailings, planning
from apps.mail.planning import Selection
from apps.newsletter.models import DigestIssue
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.models import Mailing

log = structlog.get_logger(__name__)

# Then the next audience gets its turn. Far below the task's time limit.
TURN_SECONDS = 60.0
# A planner that made no page for so long is gone; one at work makes a page in a fraction of it.
SILENT_SECONDS = 3
DUE_AT_MOST = 50


def plan_digest(*, issue_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Plans until the audience is complete or the turn is over; returns the number of pages.

    Whoever comes after a planner that was killed goes on at the mailing's cursor.
    """
    issue = DigestIssue.objects.select_related("mailing").get(pk=issue_id)
    mailing = issue.mailing
    if mailing is None:
        return 0
    selection = readers_of(mailing)
    ends_at = time.monotonic() + turn_seconds
    pages = 0
    while time.monotonic() < ends_at:
        page = planning.plan_page(mailing_id=mailing.pk, selection=selection)
        pages += bool(page.planned or page.skipped)
        if page.batches:
            mailings.wake_senders(account_id=mailing.account_id)
        if page.complete:
            enqueue(TaskName.CLOSE_MAILINGS)
        if page.complete or not (page.planned or page.skipped):
            log.info("digest_planned", issue=issue_id, mailing=mailing.pk, pages=pages)
            return pages
    enqueue(TaskName.PLAN_DIGEST, issue_id=issue_id)
    return pages


def readers_of(mailing: Mailing) -> Selection:
    """Who opted in to one of the topics of the mailing; without topics, everybody."""
    topics = [topic for group in mailing.topic_groups for topic in group]
    if not topics:
        return Selection()
    include = (
        "EXISTS (SELECT FROM contacts_topicsubscription ts"
        " WHERE ts.topic_id = ANY(%(readers)s::bigint[]) AND ts.contact_id = c.id"
        f" AND ts.state = '{TopicState.OPT_IN}')"
    )
    return Selection(include=include, params={"readers": topics})


_DUE = f"""
SELECT issue.id
  FROM mail_mailing mailing
  JOIN newsletter_digestissue issue ON issue.mailing_id = mailing.id
  LEFT JOIN LATERAL (
       SELECT created_at FROM mail_audiencepage
        WHERE mailing_id = mailing.id ORDER BY after_contact DESC LIMIT 1) page ON true
 WHERE mailing.state = 'running' AND mailing.kind = 'bulk'
   AND mailing.audience_completed_at IS NULL
   AND greatest(page.created_at, mailing.state_changed_at)
       < now() - make_interval(secs => {SILENT_SECONDS})
 LIMIT {DUE_AT_MOST}
"""


def due_plans() -> Iterable[Due]:
    """Issues under way whose planner is gone, or whose wake-up was lost."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.PLAN_DIGEST, 1, {"issue_id": issue_id})
            for (issue_id,) in cursor.fetchall()
        ]

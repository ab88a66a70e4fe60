"""Turning a digest's readers into messages, page by page, as any audience."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from apps.contacts.models import TopicState
from apps.mail.planning import Selection
from apps.mail.planning_turns import TURN_SECONDS, plan_for_a_turn, silent_audiences
from apps.newsletter.models import DigestIssue
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.models import Mailing

log = structlog.get_logger(__name__)


def plan_digest(*, issue_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Plans until the audience is complete or the turn is over; returns the number of pages."""
    issue = DigestIssue.objects.select_related("mailing").get(pk=issue_id)
    mailing = issue.mailing
    if mailing is None:
        return 0
    turn = plan_for_a_turn(mailing, readers_of(mailing), seconds=turn_seconds)
    if turn.goes_on:
        enqueue(TaskName.PLAN_DIGEST, issue_id=issue_id)
    else:
        log.info("digest_planned", issue=issue_id, mailing=mailing.pk, pages=turn.pages)
    return turn.pages


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


def due_plans() -> Iterable[Due]:
    """Issues under way whose planner is gone, or whose wake-up was lost."""
    return [
        Due(TaskName.PLAN_DIGEST, 1, {"issue_id": issue_id})
        for issue_id in silent_audiences("newsletter_digestissue")
    ]

"""Putting an issue together: once all sources are settled, in one transaction.

Mailing, issue and the brand's own articles that were used change together: a worker that is killed
anywhere leaves an issue that is still to be composed, or one that is out, and never two mailings.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.mail.mailings import create_bulk_mailing
from apps.newsletter.digests import alarms, sources, starting
from apps.newsletter.digests.checking import DIGEST_CLASS, problems
from apps.newsletter.digests.gathering import fallback_items, gather
from apps.newsletter.models import Digest, DigestIssue, DigestItem, SourceReading
from apps.newsletter.recording import recorded
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.newsletter.digests.gathering import Gathered, Items

log = structlog.get_logger(__name__)

State = DigestIssue.State
# An issue that is refused waits for somebody to mend its template, and is tried again so often.
TRY_EVERY = timedelta(seconds=60)
_READY = Q(tried_at=None) | Q(tried_at__lte=Now() - TRY_EVERY)


def compose_due() -> int:
    """Reads what is due and composes what is ready; returns how many issues came to an end."""
    sources.read_due()
    waiting = SourceReading.objects.filter(state=SourceReading.State.WAITING)
    ready = (
        DigestIssue.objects.composing()
        .filter(_READY)
        .exclude(pk__in=waiting.values("issue"))
        .select_related("digest")
    )
    return sum(_compose(issue) for issue in ready.order_by("pk"))


def _compose(issue: DigestIssue) -> bool:
    with recorded(
        "digest.compose",
        brand_id=issue.digest.brand_id,
        digest=issue.digest_id,
        issue=issue.pk,
        week=issue.label,
    ) as run:
        composed = compose(issue_id=issue.pk)
        run.row_count, run.detail = len(composed.items), composed.reason or composed.state
    return composed.state != State.COMPOSING


def compose(*, issue_id: int) -> DigestIssue:
    """Makes the mailing, or notes why there is none. Of two at once the second changes nothing."""
    with transaction.atomic():
        issue = DigestIssue.objects.select_for_update(no_key=True).get(pk=issue_id)
        issue.digest = Digest.objects.select_related("brand", "sender", "template").get(
            pk=issue.digest_id
        )
        if issue.state == State.COMPOSING and not _is_read(issue):
            return issue
        if issue.state == State.COMPOSING:
            _decide(issue)
            issue.save()
    return issue


def _is_read(issue: DigestIssue) -> bool:
    return not issue.readings.filter(state=SourceReading.State.WAITING).exists()


def _decide(issue: DigestIssue) -> None:
    refused = problems(issue.digest)
    if refused:
        _refuse(issue, " ".join(refused)[:150])
        return
    gathered = gather(issue)
    issue.marks = gathered.marks
    if gathered.found >= issue.digest.least_items:
        _send(issue, gathered.items)
        DigestItem.objects.filter(pk__in=gathered.own_ids).update(issue=issue)
        alarms.went_out(issue)
    else:
        _empty_week(issue, gathered)


def _empty_week(issue: DigestIssue, gathered: Gathered) -> None:
    digest = issue.digest
    fallback = fallback_items(digest)[: digest.most_items]
    if digest.empty_rule == Digest.EmptyRule.FALLBACK and fallback:
        issue.is_fallback = True
        _send(issue, fallback)
        alarms.empty(issue, found=gathered.found, done="The fallback set goes out.")
        return
    lacks = " and the fallback set is empty" if digest.empty_rule != Digest.EmptyRule.SKIP else ""
    reason = f"{gathered.found} articles were found, {digest.least_items} are needed{lacks}."
    _end(issue, State.SKIPPED, reason)
    alarms.empty(issue, found=gathered.found, done="Nothing is sent.")


def _send(issue: DigestIssue, items: Items) -> None:
    digest = issue.digest
    readers = list(digest.readers.order_by("pk").values_list("pk", flat=True))
    issue.mailing = create_bulk_mailing(
        name=digest.name,
        sender=digest.sender,
        mail_class=DIGEST_CLASS,
        subject=digest.template.subject,
        html=digest.template.html,
        text=digest.template.text,
        topic_groups=[readers] if readers else [],
        variables=variables_of(items, issue.label),
    )
    issue.items = items
    _end(issue, State.OUT, "")
    enqueue(TaskName.PLAN_DIGEST, issue_id=issue.pk)
    log.info("digest_out", issue=issue.pk, mailing=issue.mailing.pk, articles=len(items))


def variables_of(items: Items, week: str) -> dict[str, Any]:
    """What the template sees as `variables.…`."""
    return {"items": items, "week": week}


def _refuse(issue: DigestIssue, reason: str) -> None:
    """Waits for somebody to mend it, and is missed where nobody does in time."""
    late = timedelta(hours=issue.digest.late_hours)
    now = starting.database_now()
    if now > max(issue.slot_at, issue.started_at) + late:
        _end(issue, State.MISSED, reason)
        alarms.missed(issue, reason)
    else:
        issue.reason, issue.tried_at = reason, now
        alarms.refused(issue, reason)


def _end(issue: DigestIssue, state: DigestIssue.State, reason: str) -> None:
    issue.state, issue.reason, issue.ended_at = state, reason, starting.database_now()


_DUE = f"""
SELECT EXISTS (
    SELECT 1 FROM newsletter_digestissue issue
     WHERE issue.state = 'composing'
       AND (EXISTS (SELECT 1 FROM newsletter_sourcereading reading
                     WHERE reading.issue_id = issue.id AND reading.state = 'waiting'
                       AND reading.due_at <= statement_timestamp())
            OR (coalesce(issue.tried_at, '-infinity')
                <= statement_timestamp() - make_interval(secs => {TRY_EVERY.total_seconds():g})
                AND NOT EXISTS (SELECT 1 FROM newsletter_sourcereading reading
                                 WHERE reading.issue_id = issue.id
                                   AND reading.state = 'waiting'))))
"""


def due_issues() -> Iterable[Due]:
    """For the sweeper: sources to be read, or issues to be put together."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [Due(TaskName.COMPOSE_DIGESTS, 1, {})] if cursor.fetchone()[0] else []

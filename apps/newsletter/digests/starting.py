"""Starting an issue: one row per digest and week, whoever comes first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.newsletter.digests import alarms
from apps.newsletter.digests.checking import problems
from apps.newsletter.digests.errors import DigestNotReadyError
from apps.newsletter.digests.weeks import newest_slot, this_week
from apps.newsletter.models import Digest, DigestIssue, SourceReading
from apps.newsletter.sequences.windows import known_zone
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from apps.newsletter.digests.weeks import Slot

log = structlog.get_logger(__name__)

BEAT = "schedule"


@dataclass(frozen=True)
class Started:
    """The week's issue, and whether this call is what started it."""

    issue: DigestIssue
    is_new: bool


def activate(*, digest_id: int, actor: str) -> None:
    """From now on its issues go out by themselves. Raises `DigestNotReadyError`."""
    digest = Digest.objects.select_related("brand", "sender", "template").get(pk=digest_id)
    found = problems(digest)
    if found:
        raise DigestNotReadyError(" ".join(found))
    Digest.objects.filter(pk=digest_id, active_since=None).update(active_since=Now())
    log.info("digest_activated", digest=digest_id, by=actor)


def deactivate(*, digest_id: int, actor: str) -> None:
    """No issue is started any more; one under way goes on."""
    Digest.objects.filter(pk=digest_id).update(active_since=None)
    log.info("digest_deactivated", digest=digest_id, by=actor)


def start_this_week(*, digest: Digest, actor: str) -> Started:
    """The issue of the present week, whatever the hour; the one there is where it was started."""
    slot = this_week(database_now(), weekday=digest.weekday, hour=digest.hour, zone=zone_of(digest))
    return _start(digest, slot, actor)


def start_due() -> int:
    """Starts what is due and has no issue yet; returns how many were started or missed.

    Three statements and those of the issues: digests are told apart by weekday, hour and zone.
    """
    now = database_now()
    active = list(
        Digest.objects.active().select_related("brand").filter(active_since__lte=now).order_by("pk")
    )
    slots = {one.pk: _newest(one, now) for one in active}
    known = set(
        DigestIssue.objects.filter(
            digest__in=active,
            started_at__gte=now - timedelta(days=21),
        ).values_list("digest_id", "year", "week")
    )
    begun = 0
    for digest in active:
        slot = slots[digest.pk]
        fresh = digest.active_since is not None and digest.active_since <= slot.at
        if fresh and (digest.pk, slot.year, slot.week) not in known:
            begun += _begin(digest, slot, now)
    return begun


def _begin(digest: Digest, slot: Slot, now: datetime) -> bool:
    if now - slot.at <= timedelta(hours=digest.late_hours):
        return _start(digest, slot, BEAT).is_new
    return _miss(digest, slot)


def _start(digest: Digest, slot: Slot, actor: str) -> Started:
    with transaction.atomic():
        issue, is_new = DigestIssue.objects.get_or_create(
            digest=digest,
            year=slot.year,
            week=slot.week,
            defaults={
                "slot_at": slot.at,
                "started_by": actor,
                "correlation_id": correlation_id(),
            },
        )
        if is_new:
            SourceReading.objects.bulk_create(
                SourceReading(issue=issue, source=source) for source in digest.sources.all()
            )
            enqueue(TaskName.COMPOSE_DIGESTS)
    if is_new:
        log.info("digest_started", digest=digest.pk, issue=issue.pk, week=issue.label, by=actor)
    return Started(issue, is_new)


def _miss(digest: Digest, slot: Slot) -> bool:
    reason = f"It could not be started within {digest.late_hours} hours. Nothing was sent."
    with transaction.atomic():
        issue, is_new = DigestIssue.objects.get_or_create(
            digest=digest,
            year=slot.year,
            week=slot.week,
            defaults={
                "state": DigestIssue.State.MISSED,
                "reason": reason,
                "slot_at": slot.at,
                "started_by": BEAT,
                "ended_at": Now(),
            },
        )
        if is_new:
            alarms.missed(issue, reason)
    return is_new


def _newest(digest: Digest, now: datetime) -> Slot:
    return newest_slot(now, weekday=digest.weekday, hour=digest.hour, zone=zone_of(digest))


def zone_of(digest: Digest) -> ZoneInfo:
    """UTC where nobody knows the zone that was given."""
    found = known_zone(digest.zone) or known_zone("UTC")
    if found is None:
        raise RuntimeError("The time zone UTC is missing: install tzdata.")
    return found


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now

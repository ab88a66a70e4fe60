"""Whether the newsletter does what it should: this week's digests, due steps, pulse, segments.

Every figure is a count: nothing here reads an address. What a check asks is said by its own words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Count, F, Min, Q

from apps.newsletter.digests.starting import database_now, zone_of
from apps.newsletter.digests.weeks import newest_slot
from apps.newsletter.models import (
    Digest,
    DigestIssue,
    Enrolment,
    Interaction,
    PulseCall,
    RunRecord,
    SegmentWish,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Longer than a source may be tried and a tick may be away.
DIGEST_GRACE = timedelta(minutes=45)
STEP_GRACE = timedelta(minutes=15)
PULSE_GRACE = timedelta(minutes=10)
DRIFT_GRACE = timedelta(hours=6)


@dataclass
class Check:
    """One line of the list: what was asked, whether it is as it should be, and the figures."""

    name: str
    asks: str
    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "asks": self.asks,
            "passes": self.passes,
            "problems": self.problems,
            "figures": self.figures,
        }


def validate(*, brand_id: int | None = None) -> list[Check]:
    """All checks, of one brand or of all; some ten queries."""
    now = database_now()
    checks: tuple[Callable[[datetime, int | None], Check], ...] = (
        digest_rows,
        due_steps,
        steps_and_messages,
        pulse_rows,
        segment_drift,
        failed_runs,
    )
    return [check(now, brand_id) for check in checks]


def digest_rows(now: datetime, brand_id: int | None) -> Check:
    check = Check("digests", "Every active digest has its issue of the week, with articles.")
    active = Digest.objects.active().select_related("brand")
    digests = active.filter(_of(brand_id)).order_by("pk")
    for digest in digests:
        slot = newest_slot(now, weekday=digest.weekday, hour=digest.hour, zone=zone_of(digest))
        label = f"{digest.slug} {slot.year}-W{slot.week:02}"
        if digest.active_since is not None and digest.active_since > slot.at:
            check.figures[label] = "was not active yet"
            continue
        issue = DigestIssue.objects.filter(digest=digest, year=slot.year, week=slot.week).first()
        check.figures[label] = f"{issue.state}, {len(issue.items)} articles" if issue else "none"
        late = now - slot.at > DIGEST_GRACE
        if issue is None and late:
            check.problems.append(f"{label}: no issue, due since {slot.at:%a %H:%M} UTC.")
        elif issue is not None:
            check.problems += _of_issue(issue, label, late=late)
    return check


def _of_issue(issue: DigestIssue, label: str, *, late: bool) -> list[str]:
    if issue.state == DigestIssue.State.MISSED:
        return [f"{label}: missed. {issue.reason}"]
    if issue.state == DigestIssue.State.COMPOSING and late:
        return [f"{label}: still being put together. {issue.reason}".strip()]
    return [f"{label}: {mark['source']} failed ({mark['error']})." for mark in issue.marks]


def due_steps(now: datetime, brand_id: int | None) -> Check:
    check = Check("sequence steps", "No step of an active sequence is long due.")
    due = Enrolment.objects.waiting().filter(
        _of(brand_id, "sequence__"), sequence__state="active", due_at__lte=now
    )
    found = due.values_list("sequence__slug").annotate(people=Count("pk"), oldest=Min("due_at"))
    for slug, people, oldest in found.order_by("sequence__slug"):
        check.figures[slug] = people
        if now - oldest > STEP_GRACE:
            minutes = int((now - oldest).total_seconds() // 60)
            check.problems.append(f"{slug}: {people:,} people due, the oldest for {minutes} min.")
    check.figures["due"] = sum(check.figures.values())
    return check


# A step mail without its message would be somebody who was counted and not mailed.
_STEPS = """
SELECT count(*), count(m.id), count(*) FILTER (WHERE m.state = 'sent'),
       count(*) FILTER (WHERE m.state = 'failed'), count(*) FILTER (WHERE m.state = 'skipped'),
       count(*) FILTER (WHERE m.state = 'pending'), count(*) FILTER (WHERE m.state = 'unknown')
  FROM newsletter_stepmail sent
  JOIN newsletter_enrolment e ON e.id = sent.enrolment_id
  JOIN newsletter_sequence sequence ON sequence.id = e.sequence_id
  LEFT JOIN mail_message m
    ON m.month = sent.month AND m.mailing_id = sent.mailing_id
   AND m.contact_id = sent.contact_id AND m.idempotency_key IS NULL
 WHERE sent.made_at >= %(since)s AND (%(brand)s::bigint IS NULL OR sequence.brand_id = %(brand)s)
"""


def steps_and_messages(now: datetime, brand_id: int | None) -> Check:
    check = Check("sent against due", "Every step due in the last day has its message.")
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"since": now - timedelta(days=1), "brand": brand_id})
        row = cursor.fetchone()
    names = ("due", "with message", "sent", "failed", "skipped", "pending", "unknown")
    check.figures = dict(zip(names, row, strict=True))
    lost = check.figures["due"] - check.figures["with message"]
    if lost:
        check.problems.append(f"Due without a message: {lost:,}.")
    return check


def pulse_rows(now: datetime, brand_id: int | None) -> Check:
    check = Check("pulse", "Interactions are stored; none wait long, none were given up.")
    day = now - timedelta(days=1)
    # Received lately may have happened in an earlier month.
    months = [(now - timedelta(days=back)).date().replace(day=1) for back in (0, 31)]
    stored = Interaction.objects.filter(
        _of(brand_id), month__in=months, received_at__gte=day
    ).aggregate(hour=Count("pk", filter=Q(received_at__gte=now - timedelta(hours=1))),
                day=Count("pk"))  # fmt: skip
    calls = PulseCall.objects.filter(_of(brand_id)).aggregate(
        waiting=Count("pk", filter=~Q(state="dead")),
        dead=Count("pk", filter=Q(state="dead")),
        oldest=Min("created_at", filter=~Q(state="dead")),
    )
    check.figures = {
        "stored in the last hour": stored["hour"],
        "stored in the last day": stored["day"],
        "calls waiting": calls["waiting"],
        "calls given up": calls["dead"],
    }
    if calls["dead"]:
        check.problems.append(f"{calls['dead']:,} calls were given up: see their dead letters.")
    if calls["oldest"] and now - calls["oldest"] > PULSE_GRACE:
        check.problems.append(f"A call has waited since {calls['oldest']:%H:%M} UTC.")
    return check


def segment_drift(now: datetime, brand_id: int | None) -> Check:
    check = Check("segments", "The provider has what was wished, or soon will.")
    drifting = ~Q(version=F("done_version")) | ~Q(topics_version=F("topics_done_version"))
    wishes = SegmentWish.objects.filter(_of(brand_id)).aggregate(
        wishes=Count("pk"),
        drifting=Count("pk", filter=drifting),
        dead=Count("pk", filter=Q(state="dead")),
        oldest=Min("waiting_since", filter=drifting),
    )
    oldest = wishes.pop("oldest")
    check.figures = wishes
    if wishes["dead"]:
        check.problems.append(f"{wishes['dead']:,} wishes were given up: see their dead letters.")
    if oldest and now - oldest > DRIFT_GRACE:
        check.problems.append(f"A wish has waited since {oldest:%d %b %H:%M} UTC.")
    return check


def failed_runs(now: datetime, brand_id: int | None) -> Check:
    check = Check("runs", "No run of a sequence or digest failed in the last day.")
    months = {moment.date().replace(day=1) for moment in (now, now - timedelta(days=1))}
    runs = RunRecord.objects.filter(
        _of(brand_id), month__in=months, at__gte=now - timedelta(days=1)
    )
    found = runs.values_list("name").annotate(
        runs=Count("pk"), failed=Count("pk", filter=Q(outcome=RunRecord.Outcome.FAILED))
    )
    for name, number, failed in found.order_by("name"):
        check.figures[name] = number
        # What a source did is told with its issue.
        if failed and name != "digest.read":
            check.problems.append(f"{name}: {failed:,} of {number:,} runs failed.")
    return check


def told_at() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


def _of(brand_id: int | None, path: str = "") -> Q:
    return Q() if brand_id is None else Q(**{f"{path}brand": brand_id})

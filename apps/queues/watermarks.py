"""Watching queues: compares each with its watermarks, raises alerts and clears them.

`watch_if_due` is called again and again by processes that need no broker for it; whoever is first
after FLUX_WATCH_SECONDS claims the look in the database. A crossed mark raises its alert once; it
is cleared once the figure has fallen well below the mark, so that nothing flaps. What cannot be
read changes nothing, and is an alert of its own when it lasts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection

from apps.queues import alerts
from apps.queues.breaking import Phase
from apps.queues.flags import Flag, is_on
from apps.queues.health.reading import read_health
from apps.queues.health.reports import UNKNOWN
from apps.queues.registry import EXTERNAL_QUEUES, QUEUES
from apps.queues.schedules import SCHEDULES, unclaimed_periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apps.queues.breaking import Standing
    from apps.queues.health.reports import AccountHealth, Health, QueueHealth, Unknown

log = structlog.get_logger(__name__)

QUEUE_DEPTH = "queue_depth"
QUEUE_AGE = "queue_age"
QUEUE_SILENT = "queue_silent"
QUEUE_HELD = "queue_held"
DEAD_LETTERS = "dead_letters"
BREAKER_OPEN = "breaker_open"
SCHEDULE_MISSED = "schedule_missed"
HEALTH_UNKNOWN = "health_unknown"

CLEARED_BELOW = 0.8
"""Share of the mark to which a figure must fall before its alert is cleared."""
UNKNOWN_SECONDS = 60.0
"""A queue that could not be read for so long is an alert: one slow answer is none."""

_WATCH = "watch-queues"
_CLAIM = """
UPDATE queues_scheduleperiod SET starts_at = statement_timestamp(), claimed_at = DEFAULT
 WHERE schedule = %s AND starts_at <= statement_timestamp() - make_interval(secs => %s)
"""
_FIRST = """
INSERT INTO queues_scheduleperiod (schedule, starts_at)
SELECT %(name)s, 'epoch'
 WHERE NOT EXISTS (SELECT 1 FROM queues_scheduleperiod WHERE schedule = %(name)s)
ON CONFLICT DO NOTHING
"""
# Only what changes is written: most looks write nothing.
_NOTE_DUE = """
INSERT INTO queues_queuestanding AS old (queue, due_since)
SELECT queue, CASE WHEN is_due THEN statement_timestamp() END
  FROM unnest(%(queues)s::text[], %(due)s::boolean[]) AS seen (queue, is_due)
ON CONFLICT (queue)
DO UPDATE SET due_since = excluded.due_since
        WHERE (old.due_since IS NULL) <> (excluded.due_since IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. `value` is unknown where it could not be read: then nothing changes."""

    kind: str
    subject: str
    value: float | Unknown
    limit: float
    message: str

    @property
    def crossed(self) -> bool:
        return self.value != UNKNOWN and self.value > self.limit

    @property
    def is_over(self) -> bool:
        return self.value != UNKNOWN and self.value <= self.limit * CLEARED_BELOW


_unknown_since: dict[str, float] = {}


def watch_if_due() -> bool:
    """Looks, where nobody has for FLUX_WATCH_SECONDS; whether this call did."""
    if not _claim():
        return False
    watch()
    return True


def watch() -> list[Finding]:
    """One look at everything; returns what is crossed."""
    health = read_health()
    _note_due(health.queues.values())
    found = [*_findings(health), *_missed_schedules()]
    if is_on(Flag.WATERMARK_ALERTS):
        _settle(found, health)
    return [one for one in found if one.crossed]


def _claim() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [_WATCH, settings.WATCH_SECONDS])
        if cursor.rowcount:
            return True
        cursor.execute(_FIRST, {"name": _WATCH})
        return False


def _note_due(queues: Iterable[QueueHealth]) -> None:
    known = [one for one in queues if one.queue_length != UNKNOWN]
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE_DUE,
            {
                "queues": [one.queue for one in known],
                "due": [one.queue_length != 0 for one in known],
            },
        )


def _findings(health: Health) -> Iterator[Finding]:
    for one in health.queues.values():
        yield from _of_queue(one, health)
    if health.accounts != UNKNOWN:
        yield from map(_of_account, health.accounts)


def _of_queue(one: QueueHealth, health: Health) -> Iterator[Finding]:
    name = one.queue
    marks = (QUEUES[name] if name in QUEUES else EXTERNAL_QUEUES[name]).watermarks
    length, letters = one.queue_length, one.dead_letters
    yield Finding(QUEUE_DEPTH, name, length, marks.depth, f"{length} wait in {name}")
    age = one.oldest_due_seconds or 0.0
    told = age if isinstance(age, str) else round(age)
    yield Finding(QUEUE_AGE, name, age, marks.age_seconds, f"work in {name} waits for {told} s")
    yield Finding(
        DEAD_LETTERS,
        name,
        letters,
        marks.dead_letters,
        f"{letters} dead letters of {name} are open",
    )
    yield Finding(QUEUE_HELD, name, _held(one.hold), 0, f"{name} keeps failing and is held")
    silence = _silence(one, health)
    told = silence if isinstance(silence, str) else round(silence)
    yield Finding(
        QUEUE_SILENT,
        name,
        silence,
        marks.silence_seconds,
        f"work is due in {name}, and nothing of it succeeded for {told} s",
    )
    yield Finding(
        HEALTH_UNKNOWN,
        name,
        _seconds_unknown(one),
        UNKNOWN_SECONDS,
        f"how {name} stands cannot be read: {', '.join((*one.warnings, *health.warnings))}",
    )


def _silence(one: QueueHealth, health: Health) -> float | Unknown:
    """For how long work has been due without a success."""
    due_since, succeeded_at = one.due_since, one.last_success_at
    if (
        isinstance(due_since, str)
        or isinstance(succeeded_at, str)
        or isinstance(one.queue_length, str)
    ):
        return UNKNOWN
    if one.queue_length == 0 or due_since is None:
        return 0.0
    since = max(due_since, succeeded_at or due_since)
    return max(0.0, (health.read_at - since).total_seconds())


def _seconds_unknown(one: QueueHealth) -> float:
    if one.queue_length != UNKNOWN:
        _unknown_since.pop(one.queue, None)
        return 0.0
    return time.monotonic() - _unknown_since.setdefault(one.queue, time.monotonic())


def _of_account(one: AccountHealth) -> Finding:
    told = f"the breaker of {one.name} is open"
    return Finding(BREAKER_OPEN, one.bucket, _held(one.breaker), 0, told)


def _held(standing: Standing | Unknown | None) -> float | Unknown:
    """How often it was opened without a rest between; 0 while it is closed."""
    if isinstance(standing, str):
        return UNKNOWN
    if standing is None or standing.phase is Phase.CLOSED:
        return 0.0
    return max(1.0, standing.openings)


def _missed_schedules() -> Iterator[Finding]:
    late = {one.schedule: float(one.late_seconds) for one in unclaimed_periods()}
    for schedule in SCHEDULES:
        seconds = late.get(schedule.name, 0.0)
        told = f"nobody ran {schedule.name}, {round(seconds)} s after its time"
        yield Finding(SCHEDULE_MISSED, schedule.name, seconds, 0, told)


def _settle(found: Iterable[Finding], health: Health) -> None:
    """Raises what is crossed, clears what is over; everything else stays as it is."""
    opened = set() if health.alerts == UNKNOWN else {(a.kind, a.subject) for a in health.alerts}
    for one in found:
        if one.crossed:
            alerts.raise_alert(
                kind=one.kind,
                subject=one.subject,
                message=one.message,
                value=None if one.value == UNKNOWN else float(one.value),
                limit=float(one.limit),
            )
        elif one.is_over and (one.kind, one.subject) in opened:
            alerts.clear_alert(kind=one.kind, subject=one.subject)

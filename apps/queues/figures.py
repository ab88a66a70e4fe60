"""What tasks came to: for Prometheus at once, for the database gathered over two seconds.

A process writes its own sums at the end of a task, when it has not written for `WRITE_SECONDS` or
when the luck of the queue turns; at most the last two seconds of an idle process are still to
come. Figures never get in the way of work: a write that fails is logged and tried again later.

| name | labels | what it is |
|---|---|---|
| `flux_tasks_total` | queue_name, task, outcome | tasks by how they ended |
| `flux_task_seconds` | queue_name, task | histogram: how long they took |
| `flux_task_wait_seconds` | queue_name | histogram: from publishing a wake-up to its start |
| `resend_segment_api_calls_total` | operation, rate_limit_bucket, queue_name | segment calls |
| `resend_segment_api_throttled_total` | the same | those of them that got a 429 |
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import structlog
from django.db import DatabaseError, connection
from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from apps.queues.endings import Ending

log = structlog.get_logger(__name__)

WRITE_SECONDS = 2.0
DONE: Final = "done"
FAILURES: Final = frozenset({"retried", "attempts_spent", "wrong_arguments"})
ERROR_LIMIT = 200

TASKS: Final = Counter(
    "flux_tasks_total", "Tasks by how they ended", ["queue_name", "task", "outcome"]
)
TASK_SECONDS: Final = Histogram(
    "flux_task_seconds",
    "How long tasks took",
    ["queue_name", "task"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
)
TASK_WAIT_SECONDS: Final = Histogram(
    "flux_task_wait_seconds",
    "From publishing a wake-up to the start of its task",
    ["queue_name"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)
# The names that dashboards of segments know: `resend.segment_api.calls` with its dots replaced.
SEGMENT_CALLS: Final = Counter(
    "resend_segment_api_calls_total",
    "Calls of the segment API",
    ["operation", "rate_limit_bucket", "queue_name"],
)
SEGMENT_THROTTLED: Final = Counter(
    "resend_segment_api_throttled_total",
    "Calls of the segment API that were answered by a 429",
    ["operation", "rate_limit_bucket", "queue_name"],
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What one queue came to since the last write. `streak` counts failures since a success."""

    done: int = 0
    failed: int = 0
    units: int = 0
    busy_seconds: float = 0.0
    streak: int = 0
    last_error: str = ""
    succeeded_at: float | None = None  # monotonic

    def with_task(self, *, failed: bool, seconds: float, error: str, now: float) -> Sum:
        busy = self.busy_seconds + seconds
        if failed:
            return replace(
                self,
                failed=self.failed + 1,
                streak=self.streak + 1,
                last_error=error[:ERROR_LIMIT],
                busy_seconds=busy,
            )
        return replace(self, done=self.done + 1, streak=0, busy_seconds=busy, succeeded_at=now)


_lock = threading.Lock()
_sums: dict[str, Sum] = {}
_luck: dict[str, bool] = {}
_written_at = float("-inf")


def note_task(*, queue: str, task: str, outcome: str, seconds: float, error: str = "") -> None:
    """One task that has ended; `error` is a class of error, never its text."""
    TASKS.labels(queue, task, outcome).inc()
    TASK_SECONDS.labels(queue, task).observe(seconds)
    if outcome != DONE and outcome not in FAILURES:
        return
    failed = outcome != DONE
    now = time.monotonic()
    with _lock:
        _sums[queue] = _sums.get(queue, Sum()).with_task(
            failed=failed, seconds=seconds, error=error, now=now
        )
        turned = _luck.get(queue) is not failed
        _luck[queue] = failed
        is_due = turned or now - _written_at >= WRITE_SECONDS
    if is_due:
        write()


def note_ending(ending: Ending) -> None:
    """A listener of `endings`."""
    delivery, raised = ending.delivery, ending.error
    note_task(
        queue=delivery.queue,
        task=delivery.task,
        outcome=ending.outcome.value,
        seconds=ending.seconds,
        error=type(raised).__name__ if raised else "",
    )
    waited = delivery.waited_seconds
    if delivery.attempt == 1 and waited is not None:
        note_wait(queue=delivery.queue, seconds=waited - ending.seconds)


def note_wait(*, queue: str, seconds: float) -> None:
    """How long a wake-up was on its way; a clock that runs behind counts as no wait."""
    TASK_WAIT_SECONDS.labels(queue).observe(max(0.0, seconds))


def note_segment_call(
    *,
    operation: Literal["list", "add", "remove", "set"],
    rate_limit_bucket: str,
    queue: str,
    throttled: bool,
) -> None:
    """One call about a contact's segments. Who the contact is stands in the log alone."""
    SEGMENT_CALLS.labels(operation, rate_limit_bucket, queue).inc()
    if throttled:
        SEGMENT_THROTTLED.labels(operation, rate_limit_bucket, queue).inc()


def note_units(queue: str, number: int) -> None:
    """So many pieces of work (mails, events, rows) were settled; written with the task's end."""
    with _lock:
        present = _sums.get(queue, Sum())
        _sums[queue] = replace(present, units=present.units + number)


_WRITE = """
WITH minute AS (
    INSERT INTO queues_queueminute AS old (queue, minute, done, failed, units, busy_seconds)
    VALUES (%(queue)s, date_trunc('minute', statement_timestamp()), %(done)s, %(failed)s,
            %(units)s, %(busy)s)
    ON CONFLICT (queue, minute)
    DO UPDATE SET done = old.done + excluded.done, failed = old.failed + excluded.failed,
                  units = old.units + excluded.units,
                  busy_seconds = old.busy_seconds + excluded.busy_seconds
)
INSERT INTO queues_queuestanding AS old
       (queue, last_success_at, last_failure_at, error_streak, last_error)
VALUES (%(queue)s,
        CASE WHEN %(done)s > 0
             THEN statement_timestamp() - make_interval(secs => %(since_success)s) END,
        CASE WHEN %(failed)s > 0 THEN statement_timestamp() END, %(streak)s, %(error)s)
ON CONFLICT (queue)
DO UPDATE SET last_success_at = greatest(excluded.last_success_at, old.last_success_at),
              last_failure_at = coalesce(excluded.last_failure_at, old.last_failure_at),
              error_streak = excluded.error_streak
                           + CASE WHEN %(done)s > 0 THEN 0 ELSE old.error_streak END,
              last_error = CASE WHEN %(failed)s > 0 THEN excluded.last_error
                                ELSE old.last_error END
"""


def write() -> None:
    """Adds this process's sums to the database; what could not be written is kept for later."""
    global _written_at  # noqa: PLW0603 - one clock per process
    with _lock:
        taken = dict(_sums)
        _sums.clear()
        _written_at = time.monotonic()
    for queue in sorted(taken):  # one order for all processes: no deadlock
        try:
            _write_sum(queue, taken[queue])
        except DatabaseError as error:
            log.warning("figures_not_written", queue=queue, error=type(error).__name__)
            _keep(queue, taken[queue])


def _write_sum(queue: str, one: Sum) -> None:
    since = 0.0 if one.succeeded_at is None else time.monotonic() - one.succeeded_at
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "queue": queue,
                "done": one.done,
                "failed": one.failed,
                "units": one.units,
                "busy": one.busy_seconds,
                "since_success": since,
                "streak": one.streak,
                "error": one.last_error,
            },
        )


def _keep(queue: str, missed: Sum) -> None:
    with _lock:
        newer = _sums.get(queue, Sum())
        _sums[queue] = Sum(
            done=missed.done + newer.done,
            failed=missed.failed + newer.failed,
            units=missed.units + newer.units,
            busy_seconds=missed.busy_seconds + newer.busy_seconds,
            streak=newer.streak + (0 if newer.done else missed.streak),
            last_error=newer.last_error or missed.last_error,
            succeeded_at=newer.succeeded_at or missed.succeeded_at,
        )

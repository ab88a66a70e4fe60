"""Reading the health of all queues: a fixed number of statements, each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection, transaction

from apps.queues.broker import process_broker
from apps.queues.health.asking import Inquiry, limit_statements
from apps.queues.health.backlogs import Backlog, backlog_sources
from apps.queues.health.reports import (
    UNKNOWN,
    AccountHealth,
    Health,
    OpenAlert,
    QueueHealth,
    Unknown,
)
from apps.queues.holding import holds
from apps.queues.models import Alert
from apps.queues.registry import EXTERNAL_QUEUES, QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from apps.queues.breaking import Standing

    AccountSource = Callable[[Inquiry], Iterable[AccountHealth]]

WARNING_OF_NO_SOURCE = "nobody tells what waits here"

_account_sources: dict[str, AccountSource] = {}


def register_account_source(name: str, source: AccountSource) -> None:
    """A room tells how its provider accounts stand; called from `AppConfig.ready`.

    The source asks the broker through the `Inquiry` it is given, so that what fails is unknown.
    """
    _account_sources[name] = source


@dataclass(frozen=True, slots=True)
class Record:
    """What tasks of a queue came to lately; see `models.QueueStanding` and `QueueMinute`."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    error_streak: int = 0
    last_error: str = ""
    due_since: datetime | None = None
    tasks_per_minute: float = 0.0
    units_per_minute: float = 0.0
    failures_last_hour: int = 0
    told_length: int | None = None


_RECORDS = """
SELECT standing.queue, last_success_at, last_failure_at, error_streak, last_error, due_since,
       coalesce(lately.tasks, 0)::float / 5, coalesce(lately.units, 0)::float / 5,
       coalesce(lately.failed, 0), told_length
  FROM queues_queuestanding standing
  LEFT JOIN LATERAL (
       SELECT sum(one.done + one.failed) FILTER (WHERE one.minute BETWEEN first AND last) AS tasks,
              sum(one.units) FILTER (WHERE one.minute BETWEEN first AND last) AS units,
              sum(one.failed) AS failed
         FROM queues_queueminute one,
              (SELECT date_trunc('minute', statement_timestamp()) - interval '5 minutes' AS first,
                      date_trunc('minute', statement_timestamp()) - interval '1 minute' AS last
              ) whole
        WHERE one.queue = standing.queue
          AND one.minute > statement_timestamp() - interval '1 hour'
       ) lately ON true
"""


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database answered."""

    now: datetime
    backlogs: Mapping[str, Backlog | Unknown]
    records: Mapping[str, Record] | Unknown
    dead_letters: Mapping[str, int] | Unknown
    alerts: tuple[OpenAlert, ...] | Unknown
    warnings: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the broker answered."""

    wake_ups: Mapping[str, int] | Unknown
    holds: Mapping[str, Standing | Unknown] | Unknown
    accounts: tuple[AccountHealth, ...] | Unknown


def read_health() -> Health:
    """Asks the broker first, then the database; never raises because one of them is away."""
    inquiry = Inquiry()
    shared = _ask_broker(inquiry)
    try:
        rows = _ask_database(inquiry)
    except DatabaseError as error:
        inquiry.warnings.append(f"the database could not be read ({type(error).__name__})")
        rows = _nothing_known()
    return Health(
        read_at=rows.now,
        queues={
            **{name: _queue_health(name, rows, shared) for name in QUEUES},
            **{name: _external_health(name, rows) for name in EXTERNAL_QUEUES},
        },
        accounts=shared.accounts,
        alerts=rows.alerts,
        warnings=tuple(inquiry.warnings),
    )


def _ask_broker(inquiry: Inquiry) -> _Shared:
    accounts = inquiry.ask("provider accounts", lambda: _read_accounts(inquiry))
    wake_ups = inquiry.ask("wake-ups in the broker", _read_wake_ups)
    if wake_ups == UNKNOWN:
        return _Shared(UNKNOWN, UNKNOWN, accounts)
    return _Shared(wake_ups, inquiry.ask("holds", _read_holds), accounts)


def _read_accounts(inquiry: Inquiry) -> tuple[AccountHealth, ...]:
    return tuple(one for source in _account_sources.values() for one in source(inquiry))


def _read_wake_ups() -> dict[str, int]:
    pipeline = process_broker().pipeline(transaction=False)
    for name in QUEUES:
        pipeline.llen(name)
    return dict(zip(QUEUES, map(int, pipeline.execute()), strict=True))


def _read_holds() -> dict[str, Standing | Unknown]:
    return {name: hold if hold.shared else UNKNOWN for name, hold in holds().items()}


def _ask_database(inquiry: Inquiry) -> _Rows:
    with transaction.atomic():
        limit_statements()
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            now = cursor.fetchone()[0]
        warnings: dict[str, list[str]] = {}
        return _Rows(
            now=now,
            backlogs={name: _read_backlog(name, warnings) for name in QUEUES},
            records=inquiry.ask_database("figures of tasks", _read_records),
            dead_letters=inquiry.ask_database("dead letters", _read_dead_letters),
            alerts=inquiry.ask_database("alerts", _read_alerts),
            warnings=warnings,
        )


def _nothing_known() -> _Rows:
    backlogs: dict[str, Backlog | Unknown] = dict.fromkeys(QUEUES, UNKNOWN)
    return _Rows(datetime.now(tz=UTC), backlogs, UNKNOWN, UNKNOWN, UNKNOWN, {})


def _read_backlog(queue: str, warnings: dict[str, list[str]]) -> Backlog | Unknown:
    sources = backlog_sources().get(queue, {})
    if not sources:
        # Nothing can wait where there is no task yet; anywhere else somebody forgot to tell.
        if QUEUES[queue].tasks:
            warnings[queue] = [WARNING_OF_NO_SOURCE]
            return UNKNOWN
        return Backlog(0)
    inquiry, total = Inquiry(), Backlog(0)
    known = True
    for name, source in sources.items():
        answer = inquiry.ask_database(name, source)
        if isinstance(answer, Backlog):
            total += answer
        else:
            known = False
    if inquiry.warnings:
        warnings[queue] = inquiry.warnings
    return total if known else UNKNOWN


def _read_records() -> dict[str, Record]:
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS)
        return {queue: Record(*figures) for queue, *figures in cursor.fetchall()}


def _read_dead_letters() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue, count(*) FROM queues_deadletter WHERE state = 'open' GROUP BY queue"
        )
        return dict(cursor.fetchall())


def _read_alerts() -> tuple[OpenAlert, ...]:
    rows = Alert.objects.open().order_by("raised_at")
    facts = rows.values_list("pk", "kind", "subject", "message", "raised_at")
    return tuple(OpenAlert(*fact) for fact in facts[:200])


def _queue_health(name: str, rows: _Rows, shared: _Shared) -> QueueHealth:
    backlog = rows.backlogs[name]
    record: Record | None = None if rows.records == UNKNOWN else rows.records.get(name, Record())
    accounts = () if shared.accounts == UNKNOWN else shared.accounts
    alerts = () if rows.alerts == UNKNOWN else rows.alerts
    return QueueHealth(
        queue=name,
        purpose=QUEUES[name].purpose,
        queue_length=UNKNOWN if backlog == UNKNOWN else backlog.due,
        oldest_due_seconds=_age(backlog, record, rows.now),
        in_progress=UNKNOWN if backlog == UNKNOWN else backlog.in_progress,
        wake_ups=_pick(shared.wake_ups, name, 0),
        **_record_figures(record),
        dead_letters=_pick(rows.dead_letters, name, 0),
        hold=_pick(shared.holds, name, None),
        accounts=tuple(one for one in accounts if name in one.queues),
        alerts=tuple(one for one in alerts if one.subject == name),
        warnings=tuple(rows.warnings.get(name, ())),
    )


def _external_health(name: str, rows: _Rows) -> QueueHealth:
    """A queue of another system: what its answers told, and how calling it goes."""
    record: Record | None = None if rows.records == UNKNOWN else rows.records.get(name, Record())
    alerts = () if rows.alerts == UNKNOWN else rows.alerts
    told = record.told_length if record else None
    return QueueHealth(
        queue=name,
        purpose=EXTERNAL_QUEUES[name].purpose,
        queue_length=UNKNOWN if told is None else told,
        oldest_due_seconds=None,
        in_progress=UNKNOWN,
        wake_ups=0,
        **_record_figures(record),
        dead_letters=_pick(rows.dead_letters, name, 0),
        hold=None,
        accounts=(),
        alerts=tuple(one for one in alerts if one.subject == name),
        warnings=(),
    )


def _pick(answers: Mapping[str, Any] | Unknown, name: str, otherwise: Any) -> Any:
    return UNKNOWN if isinstance(answers, str) else answers.get(name, otherwise)


def _record_figures(record: Record | None) -> dict[str, Any]:
    names = (
        "last_success_at",
        "last_failure_at",
        "last_error",
        "error_streak",
        "due_since",
        "tasks_per_minute",
        "units_per_minute",
        "failures_last_hour",
    )
    return {name: UNKNOWN if record is None else getattr(record, name) for name in names}


def _age(
    backlog: Backlog | Unknown, record: Record | None, now: datetime
) -> float | Unknown | None:
    if isinstance(backlog, str):
        return UNKNOWN
    if backlog.due == 0:
        return None
    since = backlog.oldest_due_at or (record.due_since if record else None)
    # Due, but nobody has looked before: it has only just begun to wait.
    return max(0.0, (now - since).total_seconds()) if since else 0.0

"""The report on health in plain values, as the API answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.queues.breaking import Standing
    from apps.queues.health.reports import AccountHealth, Health, OpenAlert, QueueHealth, Unknown
    from apps.queues.limiting import Use


def tell_health(health: Health) -> dict[str, Any]:
    """Everything; what could not be read is the text `unknown`, what never was is null."""
    return {
        "object": "queue_health",
        "status": health.status,
        "read_at": health.read_at,
        "queues": [tell_queue(one) for one in health.queues.values()],
        "accounts": _or_unknown(health.accounts, lambda found: list(map(tell_account, found))),
        "alerts": _or_unknown(health.alerts, lambda found: list(map(tell_alert, found))),
        "warnings": list(health.warnings),
    }


def tell_queue(one: QueueHealth) -> dict[str, Any]:
    return {
        "queue": one.queue,
        "purpose": one.purpose,
        "status": one.status,
        "queue_length": one.queue_length,
        "oldest_due_seconds": _rounded(one.oldest_due_seconds),
        "in_progress": one.in_progress,
        "wake_ups": one.wake_ups,
        "last_success_at": one.last_success_at,
        "last_failure_at": one.last_failure_at,
        "last_error": one.last_error,
        "error_streak": one.error_streak,
        "tasks_per_minute": _rounded(one.tasks_per_minute),
        "units_per_minute": _rounded(one.units_per_minute),
        "failures_last_hour": one.failures_last_hour,
        "dead_letters": one.dead_letters,
        "hold": _or_unknown(one.hold, tell_standing),
        "accounts": [account.bucket for account in one.accounts],
        "alerts": [tell_alert(alert) for alert in one.alerts],
        "warnings": list(one.warnings),
    }


def tell_account(one: AccountHealth) -> dict[str, Any]:
    return {
        "rate_limit_bucket": one.bucket,
        "name": one.name,
        "queues": list(one.queues),
        "stopped_reason": one.stopped_reason,
        "limiter": _or_unknown(one.limiter, tell_use),
        "breaker": _or_unknown(one.breaker, tell_standing),
    }


def tell_use(use: Use) -> dict[str, Any]:
    return {
        "limit_per_second": use.limit,
        "per_second": round(use.per_second, 2),
        "share": None if use.share is None else round(use.share, 3),
        "pace": round(use.factor, 3),
        "frozen_for_seconds": round(use.frozen_for_s, 1),
        "live_workers": use.live_workers,
        "by_class": {
            name.value: {"per_second": round(one.per_second, 2), "waiting": one.waiting}
            for name, one in use.by_class.items()
        },
    }


def tell_standing(one: Standing) -> dict[str, Any]:
    return {
        "phase": one.phase.value,
        "held_for_seconds": round(one.held_for_s, 1),
        "since_seconds": _rounded(one.since_s),
        "openings": one.openings,
        "error_run": one.error_run,
    }


def tell_alert(one: OpenAlert) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "subject": one.subject,
        "message": one.message,
        "raised_at": one.raised_at,
    }


def _rounded(value: float | Unknown | None) -> float | Unknown | None:
    return round(value, 1) if isinstance(value, int | float) else value


def _or_unknown(value: Any, tell: Any) -> Any:
    return value if value is None or isinstance(value, str) else tell(value)

"""What a provider's 429 costs: no attempt, but it has a budget of its own per queue."""

from __future__ import annotations

import structlog
from django.conf import settings

from apps.queues import metrics
from apps.queues.registry import QUEUES, ThrottleBudget

log = structlog.get_logger(__name__)

THROTTLED = "throttled"
"""The reason of dead letters whose budget is spent."""


def budget_of(queue: str) -> ThrottleBudget:
    """The queue's own, else the installation's."""
    own = QUEUES[queue].throttle_budget if queue in QUEUES else None
    return own or ThrottleBudget(settings.THROTTLE_BUDGET_COUNT, settings.THROTTLE_BUDGET_SECONDS)


def note_429(*, queue: str, subject: str, subject_id: int, before: int, seconds: float) -> bool:
    """Counts a 429 that a row of `queue` got; True where its budget is spent by now.

    The caller then gives the row up as a dead letter with the reason `throttled`. `before` is how
    many the row had before this one, `seconds` how long ago it first failed.
    """
    metrics.PROVIDER_THROTTLES.labels(queue).inc()
    budget = budget_of(queue)
    if before < budget.count or seconds < budget.seconds:
        return False
    metrics.THROTTLE_BUDGETS_SPENT.labels(queue).inc()
    log.error(
        "throttle_budget_spent",
        queue=queue,
        subject=subject,
        subject_id=subject_id,
        throttles=before + 1,
        seconds=round(seconds),
    )
    return True

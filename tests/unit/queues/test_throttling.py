"""The budget of 429s of each queue, and the waits of its retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from apps.queues import metrics
from apps.queues.names import Queue
from apps.queues.registry import QUEUES
from apps.queues.throttling import budget_of, note_429

if TYPE_CHECKING:
    from pytest_django import Settings


def spend(queue: str, *, before: int, seconds: float) -> bool:
    return note_429(queue=queue, subject="mail.batch", subject_id=7, before=before, seconds=seconds)


@pytest.mark.parametrize(
    ("before", "seconds", "spent"),
    [(100, 3_599, False), (99, 9_999, False), (100, 3_600, True), (0, 0, False)],
)
def test_budget_is_spent_by_count_and_age_together(
    before: int, seconds: float, *, spent: bool
) -> None:
    assert spend(Queue.SEGMENTS, before=before, seconds=seconds) is spent


def test_queue_without_a_budget_has_the_installations(settings: Settings) -> None:
    settings.THROTTLE_BUDGET_COUNT, settings.THROTTLE_BUDGET_SECONDS = 5, 60

    assert (budget_of(Queue.BATCH_EMAIL).count, budget_of(Queue.BATCH_EMAIL).seconds) == (5, 60)
    assert budget_of(Queue.SEGMENTS).count == 100


def test_spent_budget_is_an_alert_and_counted() -> None:
    counter = metrics.THROTTLE_BUDGETS_SPENT.labels("segments")._value
    before = counter.get()

    with capture_logs() as lines:
        spend(Queue.SEGMENTS, before=100, seconds=3_600)

    (line,) = lines
    assert (line["event"], line["log_level"]) == ("throttle_budget_spent", "error")
    assert (line["queue"], line["subject_id"], line["throttles"]) == ("segments", 7, 101)
    assert counter.get() == before + 1


def test_segments_are_tried_three_times_half_a_second_apart_and_then_twice_that() -> None:
    spec = QUEUES[Queue.SEGMENTS]

    first = [spec.retry_waits.seconds(1) for _ in range(300)]
    second = [spec.retry_waits.seconds(2) for _ in range(300)]

    assert spec.attempts == 3
    assert 0.5 <= min(first) < 0.55
    assert 0.7 < max(first) <= 0.75
    assert 1.0 <= min(second) <= max(second) <= 1.5


def test_waits_do_not_grow_without_end() -> None:
    assert QUEUES[Queue.SEGMENTS].retry_waits.seconds(1_000) <= 30

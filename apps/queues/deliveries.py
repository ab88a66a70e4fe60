"""What a task knows of the wake-up that brought it: queue, attempt, deadline, whose request."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Delivery:
    """One wake-up at work.

    `attempt` counts from 1. At `deadline` the worker ends the task's process. `enqueued_at` is
    when the first of its wake-ups was published; None where its publisher did not say.
    """

    task: str
    queue: str
    attempt: int
    attempts_left: int
    enqueued_at: datetime | None
    deadline: datetime
    correlation_id: str

    @property
    def seconds_left(self) -> float:
        """Until the deadline; 0 when that is past."""
        return max(0.0, (self.deadline - datetime.now(tz=UTC)).total_seconds())

    @property
    def waited_seconds(self) -> float | None:
        """From publishing to now, by two clocks; never negative."""
        if self.enqueued_at is None:
            return None
        return max(0.0, (datetime.now(tz=UTC) - self.enqueued_at).total_seconds())


_current: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


def current_delivery() -> Delivery | None:
    """The wake-up at work in this thread; None outside of tasks."""
    return _current.get()


@contextmanager
def under(delivery: Delivery) -> Iterator[Delivery]:
    """Makes `delivery` the current one for the block."""
    token = _current.set(delivery)
    try:
        yield delivery
    finally:
        _current.reset(token)


def deadline_after(seconds: float) -> datetime:
    return datetime.now(tz=UTC) + timedelta(seconds=seconds)


def read_moment(epoch_seconds: object) -> datetime | None:
    """A header's time; None where it is missing or no time: any client may have written it."""
    if not isinstance(epoch_seconds, int | float) or isinstance(epoch_seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(epoch_seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None

"""How queues and provider accounts stand at this moment, as it is told to people and machines.

A figure whose source failed is `UNKNOWN`, never 0: nobody may take a blind spot for an empty queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from apps.queues.breaking import Standing
    from apps.queues.limiting import Use

Unknown: TypeAlias = Literal["unknown"]
UNKNOWN: Final[Unknown] = "unknown"


@dataclass(frozen=True, slots=True)
class OpenAlert:
    id: int
    kind: str
    subject: str
    message: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """A provider account: its budget and its breaker. `queues` send through it.

    `limiter` and `breaker` are None where the account has none.
    """

    bucket: str
    name: str
    queues: tuple[str, ...]
    stopped_reason: str
    limiter: Use | Unknown | None
    breaker: Standing | Unknown | None


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One queue. Ages and spans in seconds; rates per minute, of the last five whole minutes.

    `oldest_due_seconds`, `last_success_at` and `hold` are None where there is nothing to tell.
    `due_since`: at every look since then work was due. `wake_ups` wait in the broker. `units` are
    pieces of work: mails, events, rows.
    """

    queue: str
    purpose: str
    queue_length: int | Unknown
    oldest_due_seconds: float | Unknown | None
    in_progress: int | Unknown
    wake_ups: int | Unknown
    last_success_at: datetime | Unknown | None
    last_failure_at: datetime | Unknown | None
    last_error: str | Unknown
    error_streak: int | Unknown
    due_since: datetime | Unknown | None
    tasks_per_minute: float | Unknown
    units_per_minute: float | Unknown
    failures_last_hour: int | Unknown
    dead_letters: int | Unknown
    hold: Standing | Unknown | None
    accounts: tuple[AccountHealth, ...]
    alerts: tuple[OpenAlert, ...]
    warnings: tuple[str, ...]

    @property
    def status(self) -> str:
        """`alert` where one is open, `unknown` where a source failed, else `ok`."""
        if self.alerts:
            return "alert"
        return "unknown" if self.warnings else "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """Everything at once. `warnings` are about no single queue."""

    read_at: datetime
    queues: Mapping[str, QueueHealth]
    accounts: tuple[AccountHealth, ...] | Unknown
    alerts: tuple[OpenAlert, ...] | Unknown
    warnings: tuple[str, ...]

    @property
    def status(self) -> str:
        """The worst of all queues."""
        found = {one.status for one in self.queues.values()}
        if self.alerts and self.alerts != UNKNOWN:
            return "alert"
        return "unknown" if self.warnings or "unknown" in found else "ok"

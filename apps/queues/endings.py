"""Telling how tasks end to whoever keeps figures, holds or heartbeats of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.queues.deliveries import Delivery

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    DONE = "done"
    RETRIED = "retried"
    """It raised, and is tried again in a moment."""
    ATTEMPTS_SPENT = "attempts_spent"
    WRONG_ARGUMENTS = "wrong_arguments"
    DEFERRED = "deferred"
    """The task asked to come again; no failure."""
    DATABASE_AWAY = "database_away"
    HELD = "held"
    """It was not run: its queue is held after failures."""


@dataclass(frozen=True)
class Ending:
    """How one run of a task ended. `error` is what it raised, None where it did not."""

    delivery: Delivery
    outcome: Outcome
    seconds: float
    error: Exception | None = None


_listeners: dict[str, Callable[[Ending], None]] = {}


def register_ending_listener(name: str, listener: Callable[[Ending], None]) -> None:
    """`listener` is called at each end of a task, in the task's process, after its transaction.

    It must be quick. What it raises is logged and changes nothing.
    """
    _listeners[name] = listener


def tell(ending: Ending) -> None:
    for name, listener in _listeners.items():
        try:
            listener(ending)
        except Exception:
            log.exception("ending_not_told", listener=name)

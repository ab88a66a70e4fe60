"""Holding a queue whose work keeps failing: for growing spans, with one try between them.

It is a circuit breaker around a queue's tasks. A held queue gets no wake-ups from the sweeper, and
those that come all the same are let go: the rows are due and will be found again. No attempt is
burnt. After the span one task is tried; when it ends well the queue works again by itself.

What counts are tasks that raised something of their own. A database that is away is not the
queue's fault, and arguments that do not fit are their sender's.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from apps.queues.breaking import Breaker, Permit, Phase, Rules
from apps.queues.breaking.signals import QUEUE_SIGNALS
from apps.queues.broker import process_broker
from apps.queues.endings import Outcome
from apps.queues.errors import UnknownQueueError
from apps.queues.flags import Flag, is_on
from apps.queues.names import Queue
from apps.queues.registry import EXTERNAL_QUEUES, QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apps.queues.breaking import Standing

log = structlog.get_logger(__name__)

FRESH_S = 1.0
"""A queue that was well so short a time ago need not be asked about, nor told that it still is:
tasks may last a millisecond."""
QUIET_S = 2 * FRESH_S
"""So a run of failures only counts when nothing has succeeded for longer than that."""
LONGEST_TRY_S = 120.0
"""A try that was killed frees its place after this, or after its task's limit."""
NEVER_BY_SHARE = 2.0
_FAILURES = frozenset({Outcome.RETRIED, Outcome.ATTEMPTS_SPENT})


@dataclass(slots=True)
class Gate:
    """One queue's hold, as a process meets it."""

    breaker: Breaker
    clock: Callable[[], float] = time.monotonic
    told_at: float = float("-inf")
    """When a success was last passed on."""

    def enter(self) -> Permit | None:
        """Leave to run a task; None while the queue is held."""
        if self._is_known_to_be_well() or not is_on(Flag.QUEUE_HOLDS):
            return self.breaker.ordinary_permit()
        got = self.breaker.admit()
        return got if isinstance(got, Permit) else None

    def leave(self, permit: Permit, outcome: Outcome) -> None:
        """The task has ended so; what speaks neither for nor against the queue is not counted."""
        with permit:
            if outcome is Outcome.DONE:
                self._note_success(permit)
            elif outcome in _FAILURES:
                permit.failed()

    def places(self) -> int | None:
        """How many wake-ups the queue may get: none, one to try it with, or any number (None)."""
        if not is_on(Flag.QUEUE_HOLDS):
            return None
        standing = self.breaker.look()
        match standing.phase:
            case Phase.CLOSED:
                return None
            case Phase.OPEN | Phase.PROBING:
                return 1 if standing.held_for_s <= 0 else 0

    def _note_success(self, permit: Permit) -> None:
        now = self.clock()
        is_old_news = self._is_known_to_be_well() and now - self.told_at < FRESH_S
        if permit.is_probe or not is_old_news:
            self.told_at = now
            permit.succeeded()

    def _is_known_to_be_well(self) -> bool:
        if self.breaker.newest is None:
            return False
        heard_at, standing = self.breaker.newest
        is_well = standing.phase is Phase.CLOSED and not standing.error_run
        return is_well and self.clock() - heard_at < FRESH_S


_gates: dict[tuple[int, str], Gate] = {}


def gate_of(name: str) -> Gate:
    """The hold of an internal or external queue, in this process."""
    key = os.getpid(), name
    if key not in _gates:
        breaker = Breaker(process_broker(), name, _rules(name), signals=QUEUE_SIGNALS)
        _gates[key] = Gate(breaker)
    return _gates[key]


def held_as(queue: str, ids: Mapping[str, object]) -> str:
    """What is held where a task of `queue` fails: other systems' queues each on their own."""
    name = ids.get("queue")
    return name if queue == Queue.EXTERNAL and isinstance(name, str) else queue


def holds() -> dict[str, Standing]:
    """How every queue stands, by name; for admin, health and API. Changes nothing.

    Where `shared` is False the broker does not answer, and what is told is best shown as unknown.
    """
    return {name: gate_of(name).breaker.look() for name in (*QUEUES, *EXTERNAL_QUEUES)}


def reset(*, queue: str, by: str) -> Standing:
    """Lets a held queue work at once. Raises `UnknownQueueError`."""
    if queue not in QUEUES and queue not in EXTERNAL_QUEUES:
        known = ", ".join((*QUEUES, *EXTERNAL_QUEUES))
        raise UnknownQueueError(f"No queue {queue!r}; there are: {known}.")
    standing = gate_of(queue).breaker.reset()
    log.warning("queue_hold_reset_by_hand", queue=queue, by=by)
    return standing


def _rules(name: str) -> Rules:
    longest_task = QUEUES[name].task_seconds if name in QUEUES else LONGEST_TRY_S
    return Rules(
        error_share=NEVER_BY_SHARE,
        run=settings.QUEUE_HOLD_RUN,
        quiet_s=QUIET_S,
        hold_s=settings.QUEUE_HOLD_SECONDS,
        longest_hold_s=settings.QUEUE_LONGEST_HOLD_SECONDS,
        probe_s=min(float(longest_task), LONGEST_TRY_S),
    )

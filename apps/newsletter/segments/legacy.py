"""The loop from before the queue: list, remove one by one, add; for when the queue is switched off.

It runs in the task, never in a request, and is kept as the way back. What it lacks:

- It always lists, knows nothing of the last pass, and makes a new loop for every wish.
- It waits between its calls where it stands, so that each worker serves one contact at a time.
- **Its race**: the contact is claimed once for the whole loop. A loop that outlasts
  SEGMENT_LEASE_SECONDS (a provider that answers slowly, many segments to remove) is taken over
  while its last call may still be under way: then two workers call for one contact at once, from
  two different lists, and the one that ends last wins. The queue claims for each call instead.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from apps.mail.resend import (
    Ambiguous,
    ContactExists,
    ContactUnknown,
    ResendFailure,
    SurelyNotSent,
    Throttled,
)
from apps.newsletter.models.segments import WishMode
from apps.newsletter.segments.calling import call
from apps.newsletter.segments.deciding import (
    Operation,
    Step,
    TargetNotManagedError,
    after,
    forgotten,
    next_step,
)
from apps.newsletter.segments.failing import settle_failure
from apps.newsletter.segments.settling import (
    NO_CALL,
    Called,
    cost_of,
    give_up,
    interval_seconds,
    put_back,
    settle,
)
from apps.queues.names import Queue
from apps.queues.registry import QUEUES

if TYPE_CHECKING:
    from apps.mail.resend import Reply
    from apps.mail.sending import Door
    from apps.newsletter.segments.claiming import Claimed
    from apps.queues.breaking import Permit

MOST_CALLS = 50
"""Of one loop; a provider that contradicts itself must not keep a worker for good."""


class NoSlotError(Exception):
    """The limiter lets no call leave now: hand the contact back, at no cost."""


def run_loop(wish: Claimed, door: Door, permit: Permit) -> int | None:
    """The whole loop for one contact; how many calls it made, None where no slot was to be had."""
    loop = _Loop(wish, door, permit)
    try:
        loop.run()
    except TargetNotManagedError:
        give_up(wish, NO_CALL, reason="not_managed", error=f"segment {wish.target} is not managed")
    except NoSlotError:
        put_back(loop.now, loop.spent, wait_seconds=interval_seconds(wish))
        return None
    except ResendFailure as failure:
        put_down = dataclasses.replace(loop.now, listed=False)
        settle_failure(put_down, loop.step, failure, door)
    else:
        settle(loop.now, loop.spent, finished=True, wait_seconds=interval_seconds(wish))
    return loop.spent.calls


class _Loop:
    """One contact's loop: what is known by `now`, the step at hand, and what was spent."""

    def __init__(self, wish: Claimed, door: Door, permit: Permit) -> None:
        self.now = dataclasses.replace(wish, known=None, listed=False, is_fresh=False)
        self.step = Step(Operation.LIST)
        self.spent = Called()
        self._door = door
        self._permit = permit

    def run(self) -> None:
        while (step := next_step(self.now)) is not None and self.spent.calls < MOST_CALLS:
            self.step = step
            self._take(step)

    def _take(self, step: Step) -> None:
        try:
            reply = self._with_retries(step)
        except ContactUnknown:
            if step.operation is not Operation.LIST:
                raise
            self.now = forgotten(self.now, listed=True)
        except ContactExists:
            self.now = dataclasses.replace(forgotten(self.now), mode=WishMode.UPDATE)
        else:
            before, self.now = self.now, after(self.now, step, reply.value)
            cost = cost_of(before, self.now, step, reply)
            told_before = cost.before if self.spent.before is None else self.spent.before
            self.spent = dataclasses.replace(
                self.spent,
                latency_ms=self.spent.latency_ms + cost.latency_ms,
                before=told_before,
                told_now=self.spent.told_now or cost.told_now,
            )

    def _with_retries(self, step: Step) -> Reply[object]:
        """Up to three tries where they stand, as it always was."""
        spec = QUEUES[Queue.SEGMENTS]
        attempt = 0
        while True:
            if self.spent.calls:
                time.sleep(interval_seconds(self.now))
            attempt += 1
            asked = dataclasses.replace(self.now, attempts=self.now.attempts + attempt - 1)
            try:
                reply = call(asked, step, self._door, self._permit)
            except (Throttled, Ambiguous, SurelyNotSent) as failure:
                self._count(retries=1)
                if attempt == spec.attempts:
                    raise
                if isinstance(failure, Throttled):
                    self._door.limiter.freeze(failure.retry_after_s)
                time.sleep(spec.retry_waits.seconds(attempt))
                continue
            except ResendFailure:
                self._count()
                raise
            if reply is None:
                raise NoSlotError
            self._count()
            return reply

    def _count(self, *, retries: int = 0) -> None:
        calls = self.spent.calls + 1
        self.spent = dataclasses.replace(
            self.spent, calls=calls, retries=self.spent.retries + retries
        )

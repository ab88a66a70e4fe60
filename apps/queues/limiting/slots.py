"""What a reservation comes to: a slot to use, or the advice to come back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.queues.limiting.classes import CallClass
    from apps.queues.limiting.limiter import Limiter


class HeldReason(StrEnum):
    PACED = "paced"
    """The slots of the coming wait are taken."""
    FROZEN = "frozen"
    """The provider told us to wait."""
    BROKEN = "broken"
    """A breaker is open: the provider is in trouble."""


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing was reserved. Come back in `retry_in_s`; it costs the work no attempt."""

    retry_in_s: float
    reason: HeldReason


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to send one request, at its instant or a little after it (80 ms unless set).

    Whoever cannot keep the instant reserves anew (work made ready meanwhile stays as it is);
    whoever finds nothing to send gives it back. Instants are of the limiter's monotonic clock.
    """

    fires_at: float
    leave_by: float
    """The request must have begun to leave by then; infinite where the limit is lifted."""
    shared: bool
    """Granted by the broker for all workers; else by this process, from its own fraction."""
    instant: float
    """The same instant as its granter counts it: the broker's clock in microseconds, or ours."""
    previous: float
    call_class: CallClass
    limiter: Limiter = field(repr=False, compare=False)

    @property
    def fire_in_s(self) -> float:
        """Seconds left until the request must leave; 0 when that is now or past."""
        return max(0.0, self.fires_at - self.limiter.clock())

    def wait(self) -> bool:
        """Sleep until the instant; False when it can no longer be kept, then reserve anew.

        It cannot be kept after `leave_by`, and when the account was frozen after the slot was
        granted. A late slot is given back on the way.
        """
        pause = self.fire_in_s
        if pause > 0:
            self.limiter.sleep(pause)
            if self.shared and self.limiter.was_frozen_past(self):
                return False
        if self.limiter.clock() <= self.leave_by:
            return True
        self.limiter.give_back(self)
        return False

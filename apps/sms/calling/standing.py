"""How the provider stands, by the account's breaker: asked and told a few times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.queues.flags import Flag, is_on
from apps.queues.limiting import Held, HeldReason
from apps.sms.lime import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.queues.breaking import Breaker, Permit
    from apps.sms.lime import Verdict

FRESH_S = 0.25
PROBING_S = 0.2
_OWN_BUSINESS = frozenset({"late", "throttled"})


class Standing:
    """Many calls under one permit: a round trip for each would cost more than the call.

    Errors are told at once, so that a provider in trouble is held as soon as by single permits.
    """

    def __init__(self, breaker: Breaker, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._clock = clock
        self._permit: Permit | None = None
        self._asked_at = float("-inf")
        self._calls = 0
        self._errors = 0

    def permit(self, *, flying: int) -> Permit | Held:
        """Leave to make calls; one that is a probe is for a single call, while none is flying."""
        if self._permit is not None and self._permit.is_probe:
            if flying:
                return Held(PROBING_S, HeldReason.BROKEN)
            self._tell()
        if self._permit is not None and self._clock() - self._asked_at < FRESH_S:
            return self._permit
        self._tell()
        if not is_on(Flag.CIRCUIT_BREAKER):
            admitted: Permit | Held = self._breaker.ordinary_permit()
        else:
            admitted = self._breaker.admit()
        self._asked_at = self._clock()
        self._permit = None if isinstance(admitted, Held) else admitted
        return admitted

    def note(self, verdict: Verdict) -> None:
        """How one call ended: silence, broken connections and server errors speak against them."""
        if verdict.reason in _OWN_BUSINESS:
            return
        is_error = verdict.kind in {Kind.AMBIGUOUS, Kind.NOT_SENT}
        self._calls += 1
        self._errors += is_error
        if is_error or (self._permit is not None and self._permit.is_probe):
            self._tell()
            self._asked_at = float("-inf")

    def close(self) -> None:
        """Tells what is left to tell, and frees the place of a probe that was not used."""
        self._tell()
        if self._permit is not None:
            self._breaker.give_back(self._permit)
            self._permit = None

    def _tell(self) -> None:
        permit, calls, errors = self._permit, self._calls, self._errors
        self._calls = self._errors = 0
        if permit is not None and calls:
            self._breaker.record(permit, calls=calls, errors=errors)
            if permit.is_probe:
                self._permit = None

"""A breaker without the broker: this process goes by what it sees itself."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.queues.breaking.permits import ANY_GENERATION
from apps.queues.breaking.standings import Change, Phase, Reply, Standing

if TYPE_CHECKING:
    from apps.queues.breaking.operations import Operation
    from apps.queues.breaking.rules import Rules


@dataclass(slots=True)
class OwnCircuit:
    """The steps of `lua/breaker.lua` on a monotonic clock; see there for the fields.

    Not safe for threads; the breaker holds its lock around it.
    """

    name: str
    rules: Rules
    phase: Phase = Phase.CLOSED
    until: float = 0.0
    probe: str = ""
    lease: float = 0.0
    since: float | None = None
    streak: int = 0
    generation: int = 0
    run: int = 0
    ok: float | None = None
    err: float | None = None
    ended: deque[tuple[float, int, int]] = field(default_factory=deque)
    """(instant, calls, errors) within the window."""

    def follow(self, standing: Standing, *, known_for_s: float, now: float) -> None:
        """The broker was lost: what it held stays held for as long as it said."""
        self._turn(Phase.CLOSED, now)
        self.run, self.streak = 0, standing.openings
        if standing.phase is not Phase.CLOSED:
            self.phase, self.until = Phase.OPEN, now + standing.held_for_s - known_for_s

    def apply(self, operation: Operation, *, now: float) -> Reply:
        while self.ended and now - self.ended[0][0] >= self.rules.window_s:
            self.ended.popleft()
        admitted, change = False, None
        match operation.name:
            case "admit":
                admitted, change = self._admit(operation.token, now)
            case "record":
                change = self._record(operation, now)
            case "give_back" if self._is_probe(operation.token):
                self.phase, self.until, self.probe = Phase.OPEN, now, ""
            case "reset":
                change = None if self.phase is Phase.CLOSED else Change.RESET
                self.run = self.streak = 0
                self._turn(Phase.CLOSED, now)
        return Reply(admitted, self.generation, change, self._standing(now))

    def _admit(self, token: str, now: float) -> tuple[bool, Change | None]:
        if self.phase is Phase.CLOSED:
            return True, None
        if now < (self.until if self.phase is Phase.OPEN else self.lease):
            return False, None
        self.phase, self.probe, self.lease = Phase.PROBING, token, now + self.rules.probe_s
        return True, Change.PROBING

    def _record(self, ended: Operation, now: float) -> Change | None:
        if ended.errors < ended.calls:
            self.ok = now
        if ended.errors:
            self.err = now
        if self.phase is Phase.CLOSED and ended.generation in {self.generation, ANY_GENERATION}:
            self.run = self.run + ended.errors if ended.errors == ended.calls else 0
            self.ended.append((now, ended.calls, ended.errors))
            return self._open(now) if self._is_over(now) else None
        if not self._is_probe(ended.token):
            return None
        if ended.errors:
            self.run += ended.errors
            return self._open(now)
        self.run = 0
        self._turn(Phase.CLOSED, now)
        return Change.CLOSED

    def _is_over(self, now: float) -> bool:
        calls, errors = self._counts()
        rules = self.rules
        if calls >= rules.least_calls and errors >= calls * rules.error_share:
            return True
        return self.run >= rules.run and (self.ok is None or now - self.ok >= rules.quiet_s)

    def _open(self, now: float) -> Change:
        rested = self.phase is Phase.CLOSED and (
            self.since is None or now - self.since >= self.rules.window_s
        )
        self.streak = 1 if rested else self.streak + 1
        grown = self.rules.hold_s * 2.0 ** min(self.streak - 1, 32)
        span = min(self.rules.longest_hold_s, grown)
        self.until = now + span * random.uniform(0.75, 1)  # noqa: S311 - spreading, not secrecy
        self._turn(Phase.OPEN, now)
        return Change.OPENED

    def _turn(self, phase: Phase, now: float) -> None:
        self.phase, self.since, self.probe = phase, now, ""
        self.generation += 1
        self.ended.clear()

    def _is_probe(self, token: str) -> bool:
        return bool(token) and self.phase is Phase.PROBING and token == self.probe

    def _counts(self) -> tuple[int, int]:
        return sum(calls for _, calls, _ in self.ended), sum(errors for *_, errors in self.ended)

    def _standing(self, now: float) -> Standing:
        ends = {Phase.OPEN: self.until, Phase.PROBING: self.lease, Phase.CLOSED: now}[self.phase]
        calls, errors = self._counts()
        return Standing(
            name=self.name,
            phase=self.phase,
            held_for_s=max(0.0, ends - now),
            since_s=None if self.since is None else now - self.since,
            openings=self.streak,
            calls=calls,
            errors=errors,
            error_run=self.run,
            last_success_s=None if self.ok is None else now - self.ok,
            last_error_s=None if self.err is None else now - self.err,
            shared=False,
        )

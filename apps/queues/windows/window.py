"""The window of one provider account, as one worker sees it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from apps.queues import metrics
from apps.queues.limiting.broker_clock import BrokerClock
from apps.queues.limiting.broker_link import BrokerLink
from apps.queues.limiting.slots import Held, HeldReason
from apps.queues.windows.own_share import OwnShare
from apps.queues.windows.script import WindowScript, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis import Redis

    from apps.queues.windows.limits import Limits
    from apps.queues.windows.script import Told

    Evidence = Callable[[], Iterable[tuple[float, int]]]

log = structlog.get_logger(__name__)

LATE_S = 0.5
"""How long after its turn a request may leave; `window.lua` reckons with it."""
RENEW_S = 0.1
"""Seats are the worker's for six seconds from when the broker last heard of it; others may want
their share of them sooner."""
SEATS_WAIT_S = 0.1


@dataclass(frozen=True, slots=True)
class Turns:
    """The right to so many requests, each from its instant on or up to `late_s` after it.

    Instants are of this process's monotonic clock. Each holds a seat until `finish`.
    """

    number: int
    first_at: float
    apart_s: float = 0.0
    late_s: float = math.inf

    def fires_at(self, place: int) -> float:
        return self.first_at + place * self.apart_s

    def leave_by(self, place: int) -> float:
        return self.fires_at(place) + self.late_s


class Window:
    """Seats (requests in flight) and turns (when they may leave) of one account.

    The state lives in the broker, on its clock, for all workers of all hosts. Seats are borrowed
    for a while, so that where nothing but they is limited a request costs no round trip. `client`
    must fail fast (see `limiting.open_broker`). `evidence` tells what left in the last minute,
    (age in seconds, requests), should the broker have lost its state. Without the broker a worker
    keeps the seats it has, or one, and goes at a fraction of the pace; `workers_floor` is the least
    number of workers to assume then. Not safe for threads: one per process and account.
    """

    def __init__(  # noqa: PLR0913 - facts of construction, each with a plain meaning
        self,
        client: Redis,
        name: str,
        worker_id: str,
        limits: Limits,
        *,
        evidence: Evidence,
        workers_floor: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._name = name
        self._script = WindowScript(client, name, worker_id)
        self._evidence = evidence
        self._workers_floor = workers_floor
        self._clock = clock
        self._link = BrokerLink(client)
        self._broker_clock = BrokerClock()
        self._own = OwnShare()
        self._seats = 0
        self._in_use = 0
        self._workers = 1
        self._heard_at = float("-inf")
        self._frozen_until = 0.0

    @property
    def in_use(self) -> int:
        """Requests of this worker that have begun and are not finished."""
        return self._in_use

    @property
    def free(self) -> int:
        """Seats of this worker's share that nobody sits in; the share shrinks when others come."""
        return max(0, self._seats - self._in_use)

    @property
    def is_shared(self) -> bool:
        """Whether the broker answered last."""
        return self._link.up

    def take(
        self, number: int, *, wanted: int, ended: int = 0, longest_wait_s: float = 1.0
    ) -> Turns | Held:
        """Turns for `number` requests at once, all or none, and a seat for each.

        `wanted` is how many seats this worker could use in all. `ended` of its requests have ended
        without `finish` having been told: these go into their seats first, and where they are held
        the seats stay taken. Held where the seats are taken or the turns lie further ahead than
        `longest_wait_s`.
        """
        self._in_use -= ended
        turns = self._take(number, wanted, longest_wait_s)
        if isinstance(turns, Held):
            self._in_use += ended
        return turns

    def _take(self, number: int, wanted: int, longest_wait_s: float) -> Turns | Held:
        now = self._clock()
        if not self._link.may_ask(now):
            return self._take_alone(number, now)
        if self._can_skip_asking(now):
            return self._take_seats(number)
        turns = number if self.limits.is_paced or self._frozen_until > now else 0
        wish = Wish(
            seats=max(wanted, self._in_use + number),
            in_use=self._in_use,
            least=number,
            turns=turns,
            longest_wait_s=longest_wait_s,
        )
        told = self._ask(lambda: self._script.take(self.limits, wish))
        if told is None:
            return self._take_alone(number, self._clock())
        self._seats = told.seats
        if self.free < number or not (turns or told.frozen_for_s):
            return self._take_seats(number)
        return self._take_turns(number, told, longest_wait_s)

    def _take_seats(self, number: int) -> Turns | Held:
        if self.free < number:
            return self._held(SEATS_WAIT_S, HeldReason.PACED)
        return self._seated(Turns(number, self._clock()))

    def _take_turns(self, number: int, told: Told, longest_wait_s: float) -> Turns | Held:
        if told.turns < number:
            reason = HeldReason.FROZEN if told.frozen_for_s > 0 else HeldReason.PACED
            wait = max(told.frozen_for_s, told.wait_s - longest_wait_s)
            return self._held(max(SEATS_WAIT_S, wait), reason)
        first_at = self._broker_clock.latest(told.first_s)
        return self._seated(Turns(number, first_at, self.limits.apart_s, LATE_S))

    def finish(self, number: int) -> None:
        """So many requests have ended, however they did."""
        self._in_use = max(0, self._in_use - number)

    def freeze(self, seconds: float) -> None:
        """Let nobody begin for so long (at most 300 s): the provider asked for it."""
        self._frozen_until = max(self._frozen_until, self._clock() + seconds)
        log.warning("provider_account_frozen", account=self._name, seconds=seconds)
        metrics.LIMITER_FREEZES.labels(self._name).inc()
        self._ask(lambda: self._script.freeze(self.limits, seconds))

    def leave(self) -> None:
        """Give all seats back: this worker has nothing more to send."""
        self._seats = self._in_use = 0
        if self._link.may_ask(self._clock()):
            self._ask(lambda: self._script.leave(self.limits))

    # --- With the broker ----------------------------------------------------------------------

    def _can_skip_asking(self, now: float) -> bool:
        """Nothing but seats is limited, and how many of them are ours was told a moment ago."""
        return (
            self._link.up
            and not self.limits.is_paced
            and self._frozen_until <= now
            and now - self._heard_at < RENEW_S
        )

    def _ask(self, call: Callable[[], Told]) -> Told | None:
        """None where the broker is away, and this worker must live on its own share."""
        started_at = self._clock()
        try:
            told = call()
            if not told.is_born:
                self._script.begin(self.limits, self._evidence())
                told = call()
        except RedisError as error:
            self._lose_broker(error, started_at)
            return None
        now = self._clock()
        self._broker_clock.learn(told.now_s, asked_at=started_at, received_at=now)
        self._heard_at, self._workers = now, told.workers
        self._frozen_until = now + told.frozen_for_s
        if self._link.answered():
            log.info("window_shared_again", account=self._name)
        return told

    def _lose_broker(self, error: RedisError, started_at: float) -> None:
        now = self._clock()
        if self._link.failed(now=now, cost_s=now - started_at):
            self._own.seats = self._seats
            log.warning("window_on_its_own", account=self._name, reason=type(error).__name__)
            metrics.LIMITER_ALONE.labels(self._name).inc()

    # --- Without it ---------------------------------------------------------------------------

    def _take_alone(self, number: int, now: float) -> Turns | Held:
        """One request at a time where they are paced; as many as there are seats where not."""
        seats = max(1, self._own.seats)
        if seats - self._in_use < 1:
            return self._held(SEATS_WAIT_S, HeldReason.PACED)
        if self._frozen_until > now:
            return self._held(self._frozen_until - now, HeldReason.FROZEN)
        if not self.limits.is_paced:
            return self._seated(Turns(min(number, seats - self._in_use), now))
        workers = max(self._workers, self._workers_floor)
        at = self._own.next_turn(self.limits, workers, now=now)
        if at > now:
            return self._held(min(at - now, 1.0), HeldReason.PACED)
        self._own.last = now
        return self._seated(Turns(1, now, late_s=LATE_S))

    def _seated(self, turns: Turns) -> Turns:
        self._in_use += turns.number
        outcome = "granted" if self._link.up else "alone"
        metrics.LIMITER_RESERVATIONS.labels(self._name, "text", outcome).inc(turns.number)
        return turns

    def _held(self, seconds: float, reason: HeldReason) -> Held:
        metrics.LIMITER_RESERVATIONS.labels(self._name, "text", str(reason)).inc()
        return Held(retry_in_s=seconds, reason=reason)

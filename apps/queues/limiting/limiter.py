"""The limiter of one provider account."""

from __future__ import annotations

import math
import random
import threading
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from apps.queues.limiting.broker_clock import BrokerClock
from apps.queues.limiting.broker_link import BrokerLink, Rejoining
from apps.queues.limiting.broker_script import BrokerScript, Caller, Reply
from apps.queues.limiting.own_pace import OwnPace
from apps.queues.limiting.rates import LATE_S, LONGEST_FREEZE_S, LONGEST_WAIT_MS, paced_limit
from apps.queues.limiting.slots import Held, HeldReason, Slot, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

log = structlog.get_logger(__name__)

MICROS = 1_000_000
MICROS_PER_MS = 1_000


class Limiter:
    """Paces the requests of one provider account across all workers of all hosts.

    One per process and account; safe for threads. `client` must fail fast (see `open_broker`);
    `worker_id` names this process among those that share the account; `default_limit`, in
    requests a second, holds until the provider announced one (2 for an unknown account; 0 or
    None: lifted). `live_workers_floor` is the least number of workers to assume when the broker
    is away and this process cannot know how many share the budget.
    """

    def __init__(  # noqa: PLR0913 - facts of construction, each with a plain meaning
        self,
        client: Redis,
        account_key: str,
        default_limit: float | None,
        worker_id: str,
        *,
        live_workers_floor: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._script = BrokerScript(client, account_key)
        self._log = log.bind(account=account_key)
        self._worker_id = worker_id
        self._limit = paced_limit(default_limit)
        self._lock = threading.Lock()
        self._link = BrokerLink()
        self._broker_clock = BrokerClock()
        self._own = OwnPace(workers_floor=live_workers_floor)

    def reserve(self, max_wait_ms: int = 500, *, lead_ms: int = 0) -> Slot | Held:
        """The next free instant, if it lies within `max_wait_ms` (0-5000); else nothing.

        `lead_ms` is what the caller needs to get its request ready: the slot will not lie
        nearer than that (ignored where the limit is lifted).
        """
        _check_waits(max_wait_ms, lead_ms)
        self._set_clock()
        reply = self._ask("reserve", max_wait_ms * MICROS_PER_MS, lead_ms * MICROS_PER_MS)
        if reply is None:
            return self._reserve_own(max_wait_ms / 1000, lead_ms / 1000)
        if reply.granted:
            return self._shared_slot(reply)
        reason = HeldReason.FROZEN if reply.frozen_for_s > 0 else HeldReason.PACED
        return _held(reply.wait_s, reason, max_wait_ms / 1000)

    def give_back(self, slot: Slot) -> bool:
        """Undo a reservation, when nobody has reserved after it; True when undone."""
        if slot.shared:
            reply = self._ask("give_back", slot.instant, slot.previous)
            return reply is not None and reply.granted
        with self._lock:
            undone = self._own.last == slot.instant
            if undone:
                self._own.last = slot.previous
            return undone

    def observe(self, limit: float | None) -> None:
        """Follow the limit an answer announced; None (no such header) and junk change nothing.

        Requests a second; 0 and 100,000 and more mean lifted. Asks the broker only when the
        value is news to this process.
        """
        if limit is None or not math.isfinite(limit) or limit < 0:
            return
        paced = paced_limit(limit)
        if paced == self._limit:
            return
        self._log.info("provider_limit_changed", known=self._limit, announced=paced)
        self._limit = paced
        self._ask("observe", paced)

    def freeze(self, retry_after_s: float) -> None:
        """Let nobody send for so long (at most 300 s), and halve the pace: call it after a 429.

        The pace grows back by a sixth per second from the thaw on, and never falls below a tenth.
        Further 429s during a freeze prolong it, but do not halve the pace again: they answer
        requests that left before it.
        """
        bounded = min(max(0.0, retry_after_s), LONGEST_FREEZE_S)  # in this order NaN becomes 0
        self._log.warning("provider_account_frozen", seconds=bounded)
        if self._ask("freeze", round(bounded * MICROS)) is None:
            with self._lock:
                self._own.freeze(bounded, now=self.clock())

    def peek(self) -> Use:
        """The budget's present use, for display; changes nothing and counts as no worker."""
        reply = self._ask("peek")
        if reply is None:
            return self._own_use()
        return Use(
            limit=reply.limit or None,
            factor=reply.factor,
            per_second=reply.per_second,
            ahead_s=reply.ahead_s,
            frozen_for_s=reply.frozen_for_s,
            live_workers=reply.live_workers,
            shared=True,
        )

    def was_frozen_past(self, slot: Slot) -> bool:
        """Whether a freeze came after the slot was granted and covers it."""
        with self._lock:
            if not self._link.up:
                return False
        started_at = self.clock()
        try:
            return self._script.frozen_until_us() > slot.instant
        except RedisError as error:
            self._lose_broker(error, started_at)
            return False

    def _ask(self, op: str, *arguments: float) -> Reply | None:
        """Run the script; None when the broker is away and this process must pace itself."""
        started_at = self.clock()
        with self._lock:
            if not self._link.may_ask(started_at):
                return None
            caller = self._introduce(op, started_at)
        try:
            reply = self._script.call(op, caller, *arguments)
        except RedisError as error:
            self._lose_broker(error, started_at)
            return None
        self._learn(op, reply, started_at)
        return reply

    def _set_clock(self) -> None:
        """Ask once more before reserving, where the first answers were slow.

        A slot whose instant is known too badly could not be kept.
        """
        if self._link.up and self._broker_clock.width > LATE_S / 4:
            self._ask("peek")

    def _introduce(self, op: str, now: float) -> Caller:
        return Caller(
            worker_id=self._worker_id,
            limit=self._limit,
            newest_slot_age_s=None if self._own.last is None else now - self._own.last,
            rejoining=Rejoining.NO if op == "peek" else self._rejoining(),
            freeze_left_s=max(0.0, self._own.frozen_until - now),
        )

    def _rejoining(self) -> Rejoining:
        if self._link.up:
            return Rejoining.NO
        return Rejoining.PACED_ITSELF if self._own.granted else Rejoining.LOST_TOUCH

    def _learn(self, op: str, reply: Reply, started_at: float) -> None:
        now = self.clock()
        with self._lock:
            self._own.workers = reply.live_workers
            self._broker_clock.learn(reply.now_us / MICROS, asked_at=started_at, received_at=now)
            if op == "peek":
                return
            self._limit = reply.limit
            if not self._link.up:
                self._link.up = True
                self._log.info("limiter_shared_again", own_slots=self._own.granted)
            if self._link.is_too_slow(self._broker_clock.width, bearable_s=LATE_S):
                self._go_alone(now, cost_s=now - started_at, reason="too_slow")

    def _lose_broker(self, error: RedisError, started_at: float) -> None:
        now = self.clock()
        with self._lock:
            self._go_alone(now, cost_s=now - started_at, reason=type(error).__name__)

    def _go_alone(self, now: float, *, cost_s: float, reason: str) -> None:
        if self._link.failed(now=now, cost_s=cost_s):
            self._own.start(self._limit, now=now)
            self._log.warning("limiter_on_its_own", reason=reason, workers=self._own.workers)

    def _shared_slot(self, reply: Reply) -> Slot:
        instant = reply.slot_us / MICROS
        with self._lock:
            fires_at = self._broker_clock.latest(instant)
            leave_by = self._broker_clock.earliest(instant) + LATE_S
            self._own.last = max(fires_at, self._own.last or fires_at)
        return Slot(
            fires_at=fires_at,
            leave_by=leave_by if reply.limit else math.inf,
            shared=True,
            instant=reply.slot_us,
            previous=reply.previous_us,
            limiter=self,
        )

    def _reserve_own(self, max_wait_s: float, lead_s: float) -> Slot | Held:
        now = self.clock()
        with self._lock:
            own = self._own
            fires_at = max(own.next_slot(self._limit, now=now), now + lead_s)
            if fires_at - now > max_wait_s:
                reason = HeldReason.FROZEN if own.frozen_until > now else HeldReason.PACED
                return _held(fires_at - now - max_wait_s, reason, max_wait_s)
            previous = fires_at if own.last is None else own.last
            own.grant(fires_at)
        return Slot(
            fires_at=fires_at,
            leave_by=fires_at + LATE_S if self._limit else math.inf,
            shared=False,
            instant=fires_at,
            previous=previous,
            limiter=self,
        )

    def _own_use(self) -> Use:
        now = self.clock()
        with self._lock:
            own = self._own
            return Use(
                limit=self._limit or None,
                factor=own.factor,
                per_second=1.0 / own.gap(self._limit, now=now),
                ahead_s=max(0.0, (own.last or now) - now),
                frozen_for_s=max(0.0, own.frozen_until - now),
                live_workers=max(own.workers, own.workers_floor),
                shared=False,
            )


def _check_waits(max_wait_ms: int, lead_ms: int) -> None:
    if not 0 <= max_wait_ms <= LONGEST_WAIT_MS:
        raise ValueError(f"max_wait_ms is {max_wait_ms}; give 0 to {LONGEST_WAIT_MS}")
    if not 0 <= lead_ms <= max_wait_ms:
        raise ValueError(f"lead_ms is {lead_ms}; give 0 to max_wait_ms, which is {max_wait_ms}")


def _held(retry_in_s: float, reason: HeldReason, max_wait_s: float) -> Held:
    """Whoever was held comes back spread over a quarter of the wait, not all at one moment.

    By then the newest slot still lies most of the wait ahead: no slot goes unused for it.
    """
    spread = random.uniform(0, max_wait_s / 4)  # noqa: S311 - spreading, not secrecy
    return Held(retry_in_s=retry_in_s + spread, reason=reason)

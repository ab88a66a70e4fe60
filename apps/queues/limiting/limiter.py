"""The limiter of one provider account."""

from __future__ import annotations

import math
import random
import threading
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from apps.queues import metrics
from apps.queues.limiting.broker_clock import BrokerClock
from apps.queues.limiting.broker_link import BrokerLink, Rejoining
from apps.queues.limiting.broker_script import BrokerScript, Caller, Reply
from apps.queues.limiting.classes import CallClass
from apps.queues.limiting.own_pace import OwnPace
from apps.queues.limiting.rates import (
    BULK_REACH_S,
    LATE_S,
    LONGEST_FREEZE_S,
    LONGEST_WAIT_MS,
    pace_for,
    paced_limit,
)
from apps.queues.limiting.slots import Held, HeldReason, Slot
from apps.queues.limiting.use import Use

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
    is away and this process cannot know how many share the budget. `late_s` is how long after its
    instant a request may leave, and so how badly the broker's clock may be known: one further away
    counts as down. The longer, the lower the pace; the same for all who share the account.
    """

    def __init__(  # noqa: PLR0913 - facts of construction, each with a plain meaning
        self,
        client: Redis,
        account_key: str,
        default_limit: float | None,
        worker_id: str,
        *,
        live_workers_floor: int = 1,
        late_s: float = LATE_S,
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
        self._link = BrokerLink(client)
        self._broker_clock = BrokerClock()
        self._late_s = late_s
        self._own = OwnPace(workers_floor=live_workers_floor, pace=pace_for(late_s))
        self._bucket = account_key

    def reserve(
        self,
        max_wait_ms: int = 500,
        *,
        lead_ms: int = 0,
        call_class: CallClass = CallClass.SINGLE,
    ) -> Slot | Held:
        """The next free instant, if it lies within `max_wait_ms` (0-5000); else nothing.

        `lead_ms` is what the caller needs to get its request ready: the slot will not lie
        nearer than that (ignored where the limit is lifted). Bulk classes are held earlier, so
        that single mails find room in front; the whole wait is theirs where it is their turn.
        """
        _check_waits(max_wait_ms, lead_ms)
        self._set_clock()
        waits = max_wait_ms * MICROS_PER_MS, lead_ms * MICROS_PER_MS
        reply = self._ask("reserve", *waits, call_class=call_class)
        if reply is None:
            got = self._reserve_own(max_wait_ms / 1000, lead_ms / 1000, call_class)
        elif reply.granted:
            got = self._shared_slot(reply, call_class)
        else:
            reason = HeldReason.FROZEN if reply.frozen_for_s > 0 else HeldReason.PACED
            got = _held(reply.wait_s, reason, max_wait_ms / 1000)
        metrics.LIMITER_RESERVATIONS.labels(self._bucket, call_class, _outcome(got)).inc()
        return got

    def give_back(self, slot: Slot) -> bool:
        """Undo a reservation, when nobody has reserved after it; True when undone."""
        if slot.shared:
            instants = slot.instant, slot.previous
            reply = self._ask("give_back", *instants, call_class=slot.call_class)
            return reply is not None and reply.granted
        with self._lock:
            undone = self._own.last == slot.instant
            if undone:
                self._own.last = slot.previous
            return undone

    def observe(
        self, limit: float | None, *, remaining: float | None = None, reset_s: float | None = None
    ) -> None:
        """Follow what an answer announced; None (no such header) and junk change nothing.

        `limit` is in requests a second; 0 and 100,000 and more mean lifted. Where nothing remains
        although we have not used it, somebody else uses the account's budget: nobody sends for
        `reset_s` then, a second at most. Asks the broker only for news.
        """
        if limit is None or not math.isfinite(limit) or limit < 0:
            return
        paced = paced_limit(limit)
        if paced != self._limit:
            self._log.info("provider_limit_changed", known=self._limit, announced=paced)
            self._limit = paced
            self._ask("observe", paced)
        if paced and remaining is not None and remaining < 1:
            self._let_pass(1.0 if reset_s is None else reset_s)

    def _let_pass(self, reset_s: float) -> None:
        bounded = min(max(0.0, reset_s), 1.0)
        reply = self._ask("spent", round(bounded * MICROS))
        if reply is not None and reply.granted:
            self._log.info("provider_budget_used_by_others", seconds=bounded)

    def freeze(self, retry_after_s: float) -> None:
        """Let nobody send for so long (at most 300 s), and halve the pace: call it after a 429.

        The pace grows back by a sixth per second from the thaw on, and never falls below a tenth.
        Further 429s during a freeze prolong it, but do not halve the pace again: they answer
        requests that left before it.
        """
        bounded = min(max(0.0, retry_after_s), LONGEST_FREEZE_S)  # in this order NaN becomes 0
        self._log.warning("provider_account_frozen", seconds=bounded)
        metrics.LIMITER_FREEZES.labels(self._bucket).inc()
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
            by_class=reply.by_class,
        )

    def was_frozen_past(self, slot: Slot) -> bool:
        """Whether a freeze came after the slot was granted and covers it."""
        if not self._link.up:
            return False
        started_at = self.clock()
        try:
            return self._script.frozen_until_us() > slot.instant
        except RedisError as error:
            self._lose_broker(error, started_at)
            return False

    def _ask(
        self, op: str, *arguments: float, call_class: CallClass = CallClass.SINGLE
    ) -> Reply | None:
        """Run the script; None when the broker is away and this process must pace itself."""
        if not self._link.may_ask(self.clock()):
            return None
        started_at = self.clock()
        with self._lock:
            caller = self._introduce(op, started_at)
        try:
            reply = self._script.call(op, call_class, caller, *arguments)
        except RedisError as error:
            self._lose_broker(error, started_at)
            return None
        self._learn(op, reply, started_at)
        return reply

    def _set_clock(self) -> None:
        """Ask once more before reserving, where the first answers were slow.

        A slot whose instant is known too badly could not be kept.
        """
        if self._link.up and self._broker_clock.width > self._late_s / 4:
            self._ask("peek")

    def _introduce(self, op: str, now: float) -> Caller:
        return Caller(
            worker_id=self._worker_id,
            limit=self._limit,
            newest_slot_age_s=None if self._own.last is None else now - self._own.last,
            rejoining=Rejoining.NO if op == "peek" else self._rejoining(),
            freeze_left_s=max(0.0, self._own.frozen_until - now),
            pace=self._own.pace,
        )

    def _rejoining(self) -> Rejoining:
        if self._link.up:
            return Rejoining.NO
        return Rejoining.PACED_ITSELF if self._own.granted else Rejoining.LOST_TOUCH

    def _learn(self, op: str, reply: Reply, started_at: float) -> None:
        now = self.clock()
        with self._lock:
            self._own.workers, self._own.seats = reply.live_workers, reply.seats
            if reply.seat is not None:
                self._own.seat = reply.seat
            self._broker_clock.learn(reply.now_us / MICROS, asked_at=started_at, received_at=now)
            if op == "peek":
                return
            self._limit = reply.limit
            if self._link.answered():
                self._log.info("limiter_shared_again", own_slots=self._own.granted)
            if self._link.is_too_slow(self._broker_clock.width, bearable_s=self._late_s):
                self._go_alone(now, cost_s=now - started_at, reason="too_slow")

    def _lose_broker(self, error: RedisError, started_at: float) -> None:
        now = self.clock()
        with self._lock:
            self._go_alone(now, cost_s=now - started_at, reason=type(error).__name__)

    def _go_alone(self, now: float, *, cost_s: float, reason: str) -> None:
        if self._link.failed(now=now, cost_s=cost_s):
            self._own.start(self._limit, now=now, broker_ahead_s=self._broker_clock.ahead_s)
            self._log.warning("limiter_on_its_own", reason=reason, workers=self._own.workers)
            metrics.LIMITER_ALONE.labels(self._bucket).inc()

    def _shared_slot(self, reply: Reply, call_class: CallClass) -> Slot:
        instant = reply.slot_us / MICROS
        with self._lock:
            fires_at = self._broker_clock.latest(instant)
            leave_by = self._broker_clock.earliest(instant) + self._late_s
            self._own.last = max(fires_at, self._own.last or fires_at)
        return Slot(
            fires_at=fires_at,
            leave_by=leave_by if reply.limit else math.inf,
            shared=True,
            instant=reply.slot_us,
            previous=reply.previous_us,
            call_class=call_class,
            limiter=self,
        )

    def _reserve_own(self, max_wait_s: float, lead_s: float, call_class: CallClass) -> Slot | Held:
        now = self.clock()
        with self._lock:
            own = self._own
            fires_at = own.next_slot(self._limit, now=now, lead_s=lead_s)
            if fires_at - now > max_wait_s:
                reason = HeldReason.FROZEN if own.frozen_until > now else HeldReason.PACED
                return _held(fires_at - now - max_wait_s, reason, max_wait_s)
            previous = fires_at if own.last is None else own.last
            own.grant(fires_at)
        return Slot(
            fires_at=fires_at,
            leave_by=fires_at + self._late_s if self._limit else math.inf,
            shared=False,
            instant=fires_at,
            previous=previous,
            call_class=call_class,
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


def _outcome(got: Slot | Held) -> str:
    """The word of the metric."""
    if isinstance(got, Held):
        return got.reason
    return "granted" if got.shared else "alone"


def _check_waits(max_wait_ms: int, lead_ms: int) -> None:
    if not 0 <= max_wait_ms <= LONGEST_WAIT_MS:
        raise ValueError(f"max_wait_ms is {max_wait_ms}; give 0 to {LONGEST_WAIT_MS}")
    if not 0 <= lead_ms <= max_wait_ms:
        raise ValueError(f"lead_ms is {lead_ms}; give 0 to max_wait_ms, which is {max_wait_ms}")


def _held(retry_in_s: float, reason: HeldReason, max_wait_s: float) -> Held:
    """Whoever was held comes back spread over a quarter of the wait, not all at one moment.

    By then the newest slot still lies most of the wait ahead: no slot goes unused for it. Bulk's
    slots never lie further ahead than `BULK_REACH_S`, however long it offered to wait.
    """
    spread = random.uniform(0, min(max_wait_s, BULK_REACH_S) / 4)  # noqa: S311 - not secrecy
    return Held(retry_in_s=retry_in_s + spread, reason=reason)

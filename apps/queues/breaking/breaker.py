"""A circuit breaker that all workers of all hosts share."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from apps.queues.breaking.broker_script import BreakerScript
from apps.queues.breaking.operations import Operation
from apps.queues.breaking.own_circuit import OwnCircuit
from apps.queues.breaking.permits import ANY_GENERATION, Permit
from apps.queues.breaking.signals import ACCOUNT_SIGNALS, Signals
from apps.queues.breaking.standings import Phase, Reply, Standing
from apps.queues.limiting.broker_link import BrokerLink
from apps.queues.limiting.slots import Held, HeldReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from apps.queues.breaking.rules import Rules

log = structlog.get_logger(__name__)


class Breaker:
    """Lets calls through until they keep failing; then holds all of them and tries one at a time.

    One per process and name; safe for threads. `client` must fail fast (see
    `limiting.open_broker`). The state lives in the broker, on its clock: empty means closed. While
    the broker is away this process goes by what it sees itself; nothing waits for it, and nothing
    stops because of it.
    """

    def __init__(
        self,
        client: Redis,
        name: str,
        rules: Rules,
        *,
        signals: Signals = ACCOUNT_SIGNALS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._script = BreakerScript(client, name, rules)
        self._signals = signals
        self._clock = clock
        self._lock = threading.Lock()
        self._link = BrokerLink(client)
        self._own = OwnCircuit(name, rules)
        self._newest: tuple[float, Standing] | None = None

    def admit(self) -> Permit | Held:
        """Leave to make one call, or the advice to come back. Being held costs no attempt."""
        token = uuid.uuid4().hex
        reply = self._ask(Operation("admit", token=token))
        standing = reply.standing
        if not reply.admitted:
            return Held(retry_in_s=standing.held_for_s, reason=HeldReason.BROKEN)
        is_probe = standing.phase is Phase.PROBING
        return Permit(self, reply.generation, token if is_probe else "", standing.shared)

    @property
    def newest(self) -> tuple[float, Standing] | None:
        """What was last heard of it and when, by this process's clock; asks nobody."""
        return self._newest

    def ordinary_permit(self) -> Permit:
        """For callers that go by `newest` and need not ask before each of many quick calls."""
        return Permit(self, ANY_GENERATION, token="", shared=True)

    def record(self, permit: Permit, *, calls: int = 1, errors: int = 0) -> None:
        """How calls under the permit ended; for a single one use the permit's own methods."""
        permit.reported = True
        self._ask(
            Operation("record", permit.token, permit.generation, calls, errors, permit.shared)
        )

    def give_back(self, permit: Permit) -> None:
        """No call was made, or one that tells nothing; another probe may go at once."""
        if permit.is_probe:
            self._ask(Operation("give_back", permit.token, shared=permit.shared))

    def look(self) -> Standing:
        """How it stands, for display; changes nothing."""
        standing = self._ask(Operation("look")).standing
        self._signals.show(standing)
        return standing

    def reset(self) -> Standing:
        """Close it and forget its counts: a person knows that the other side is well again."""
        return self._ask(Operation("reset")).standing

    def _ask(self, operation: Operation) -> Reply:
        may_ask = self._link.may_ask(self._clock())
        reply = self._ask_broker(operation) if may_ask else None
        if reply is None:
            with self._lock:
                now = self._clock()
                reply = self._own.apply(operation.told_to(shared=False), now=now)
                self._newest = now, reply.standing
        if reply.change is not None:
            self._signals.tell(reply.change, reply.standing)
        return reply

    def _ask_broker(self, operation: Operation) -> Reply | None:
        started_at = self._clock()
        try:
            reply = self._script.call(operation.told_to(shared=True))
        except RedisError as error:
            self._go_alone(error, started_at)
            return None
        with self._lock:
            is_back = self._link.answered()
            self._newest = self._clock(), reply.standing
        if is_back:
            log.info("breaker_shared_again", name=self.name)
        return reply

    def _go_alone(self, error: RedisError, started_at: float) -> None:
        now = self._clock()
        with self._lock:
            is_news = self._link.failed(now=now, cost_s=now - started_at)
            if is_news and self._newest is not None:
                known_at, standing = self._newest  # the broker's, as it was up until now
                self._own.follow(standing, known_for_s=now - known_at, now=now)
        if is_news:
            log.warning("breaker_on_its_own", name=self.name, reason=type(error).__name__)

"""Whether the broker answers, and for how long not to ask it again when it does not."""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

HOLD_DOWN_S = 0.5
HOLD_DOWN_PER_COST = 4
"""A broker that hangs costs a whole socket timeout per try: spend at most a fifth of the time on
trying, so that the pace of this process hardly suffers."""

SLOW_ANSWERS = 3

PROBE_S = 0.1
"""How long a broker that was lost may take to answer before it is asked for anything again. Far
less than a socket timeout: whoever waits for a slot of its own pace must not lose it to a try."""


class Rejoining(IntEnum):
    """What the broker is told with the first call after it was lost; see `limiter.lua`."""

    NO = 0
    LOST_TOUCH = 1
    PACED_ITSELF = 2


def _answers_quickly(client: Redis) -> bool:
    """Whether a broker that was lost answers again, on a connection of its own."""
    pool = client.connection_pool  # which counts the connections it makes, and this is none of them
    connection = pool.connection_class(**pool.connection_kwargs)
    connection.socket_timeout = connection.socket_connect_timeout = PROBE_S
    connection.retry = Retry(NoBackoff(), 0)
    try:
        connection.connect()
        connection.send_command("PING")
        connection.read_response()
    except (RedisError, OSError):
        return False
    else:
        return True
    finally:
        connection.disconnect()


class BrokerLink:
    """Whether to ask the broker that `client` leads to. Safe for threads.

    While it is down one caller at a time may, and only where `probe` found it answering: call
    `may_ask` outside of any lock that others wait for.
    """

    def __init__(self, client: Redis, *, probe: Callable[[Redis], bool] = _answers_quickly) -> None:
        self._client = client
        self._probe = probe
        self._lock = threading.Lock()
        self._up = True
        self._retry_at = 0.0
        self._slow_answers = 0

    @property
    def up(self) -> bool:
        """Whether it answered last."""
        return self._up

    def may_ask(self, now: float) -> bool:
        """Whether to try. A try that fails is to be told by `failed`, for it to be left alone."""
        if self._up:
            return True
        with self._lock:
            if now < self._retry_at:
                return False
            self._retry_at = now + HOLD_DOWN_S
        return self._probe(self._client)

    def answered(self) -> bool:
        """The broker did answer; True when that is news."""
        with self._lock:
            was_up, self._up = self._up, True
            return not was_up

    def failed(self, *, now: float, cost_s: float) -> bool:
        """The broker did not answer; True when that is news."""
        with self._lock:
            self._retry_at = now + max(HOLD_DOWN_S, HOLD_DOWN_PER_COST * cost_s)
            was_up, self._up, self._slow_answers = self._up, False, 0
            return was_up

    def is_too_slow(self, doubt_s: float, *, bearable_s: float) -> bool:
        """Whether its clock has been known too badly several times in a row: as good as down."""
        with self._lock:
            self._slow_answers = self._slow_answers + 1 if doubt_s > bearable_s else 0
            return self._slow_answers >= SLOW_ANSWERS


def open_broker(url: str, *, timeout_s: float = 0.5) -> Redis:
    """A client fit for the limiter: short timeouts, no waiting between tries.

    One retry, for a connection that died unnoticed in the pool. A timeout is never retried: it
    would double what a hung broker costs.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )

"""A broker that refuses to note a delivery, or is gone at the farewell: the worker lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog
from celery import current_app
from django.conf import settings
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from apps.queues.enqueueing import publish
from apps.queues.names import Queue, TaskName
from tests.integration.queues.throwaway_valkey import ThrowawayValkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def full_broker(tmp_path: Path) -> Iterator[Redis]:
    """A broker whose memory is used up; deleting and reading still work."""
    server = ThrowawayValkey(tmp_path)
    server.start()
    with Redis.from_url(server.url) as client:
        yield client
    server.kill()


def a_wake_up() -> bytes:
    with Redis.from_url(settings.REDIS_URL) as client:
        client.delete(Queue.CONTROL)
        assert publish(TaskName.CLOSE_MAILINGS, ids={}, correlation="a-wake-up-1") == 1
        raw: Any = client.lpop(Queue.CONTROL)
        return bytes(raw)


def test_delivery_that_a_full_broker_refuses_is_dropped(full_broker: Redis) -> None:
    raw, received = a_wake_up(), list[Any]()
    port = full_broker.connection_pool.connection_kwargs["port"]
    with current_app.connection_for_read(f"redis://127.0.0.1:{port}/0") as connection:
        channel: Any = connection.channel()
        channel.basic_consume(Queue.CONTROL.value, False, received.append, "tag")
        channel._deliver(Queue.CONTROL.value, raw)
        full_broker.config_set("maxmemory", 1)

        with capture_logs() as lines:
            channel._deliver(Queue.CONTROL.value, raw)

        full_broker.config_set("maxmemory", 0)

    assert len(received) == 1
    assert [line["event"] for line in lines] == ["wake_up_dropped"]


@pytest.fixture
def wake_up_in_hand() -> Any:
    """A message that was delivered over a connection and is not confirmed."""
    received = list[Any]()
    connection = current_app.connection_for_read(settings.REDIS_URL)
    channel: Any = connection.default_channel
    channel.basic_consume(Queue.CONTROL.value, False, received.append, "tag")
    channel._deliver(Queue.CONTROL.value, a_wake_up())
    return channel.message_to_python(received[0])


def test_connection_that_was_half_closed_closes_with_wake_ups_in_hand(wake_up_in_hand: Any) -> None:
    channel = wake_up_in_hand.channel
    connection = channel.connection.client
    connection.transport.client = None  # as a first try leaves it that stopped halfway

    connection.close()

    assert channel.closed


def test_confirming_over_a_closed_connection_is_a_lost_connection(wake_up_in_hand: Any) -> None:
    channel = wake_up_in_hand.channel
    errors = channel.connection_errors
    channel.connection.client.close()
    channel.connection = None
    channel._disconnect_pools()  # which handing back the message has opened again

    wake_up_in_hand.ack_log_error(structlog.get_logger(), errors)

    assert not wake_up_in_hand.acknowledged


@pytest.mark.parametrize("answer", ["ack", "reject"])
def test_confirmation_that_the_broker_does_not_take_frees_the_place(
    wake_up_in_hand: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    qos = wake_up_in_hand.channel.qos
    qos.prefetch_count = 1
    assert not qos.can_consume()

    def hang(*_: object, **__: object) -> None:
        raise RedisTimeoutError("the broker is frozen")

    monkeypatch.setattr(qos, "_remove_from_indices", hang)
    with pytest.raises(RedisTimeoutError):
        getattr(wake_up_in_hand, answer)()

    assert qos.can_consume()

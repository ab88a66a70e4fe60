from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from celery import current_app
from django.conf import settings
from django.db import transaction
from redis import Redis

from apps.queues import enqueueing, sweeping
from apps.queues.correlation import bind_correlation_id, clear_correlation_id
from apps.queues.enqueueing import enqueue, publish
from apps.queues.limiting.broker_link import HOLD_DOWN_PER_COST, PROBE_S
from apps.queues.names import Queue, TaskName
from apps.queues.sweeping import Due, free_places, register_due_source, sweep
from tests.integration.queues.throwaway_valkey import ThrowawayValkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker() -> Iterator[Redis]:
    client = Redis.from_url(settings.REDIS_URL)
    client.delete(*[queue.value for queue in Queue])
    yield client
    client.delete(*[queue.value for queue in Queue])
    client.close()


@pytest.fixture(autouse=True)
def _broker_as_if_never_lost() -> Iterator[None]:
    enqueueing._link.cache_clear()
    yield
    enqueueing._link.cache_clear()


def waiting(broker: Redis, queue: Queue) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in broker.lrange(queue, 0, -1)]


@pytest.mark.django_db(transaction=True)
def test_wake_up_is_published_after_the_commit_and_not_before(broker: Redis) -> None:
    with transaction.atomic():
        enqueue(TaskName.SEND_BATCHES, account_id=3, copies=2)
        assert waiting(broker, Queue.BATCH_EMAIL) == []

    assert len(waiting(broker, Queue.BATCH_EMAIL)) == 2


@pytest.mark.django_db(transaction=True)
def test_wake_up_is_not_published_after_a_rollback(broker: Redis) -> None:
    with transaction.atomic():
        enqueue(TaskName.SEND_BATCHES, account_id=3)
        transaction.set_rollback(True)

    assert waiting(broker, Queue.BATCH_EMAIL) == []


@pytest.mark.django_db(transaction=True)
def test_wake_up_carries_the_correlation_id(broker: Redis) -> None:
    bind_correlation_id("request-0815")
    enqueue(TaskName.SEND_BATCHES, account_id=3)
    clear_correlation_id()

    (message,) = waiting(broker, Queue.BATCH_EMAIL)
    headers = message["headers"]
    assert isinstance(headers, dict)
    assert headers[enqueueing.CORRELATION_HEADER] == "request-0815"


@pytest.fixture
def dead_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(enqueueing, "_producers", enqueueing._producers.__wrapped__)


@pytest.mark.django_db(transaction=True)
def test_dead_broker_neither_raises_nor_holds_the_caller(dead_broker: None) -> None:
    started = time.monotonic()

    for _ in range(20):
        enqueue(TaskName.SEND_BATCHES, account_id=3)

    assert time.monotonic() - started < 5
    assert not enqueueing._link(os.getpid()).up


@pytest.fixture
def frozen_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ThrowawayValkey]:
    """A broker that has been in use, and then answers nothing: its process is stopped."""
    server = ThrowawayValkey(tmp_path)
    server.start()
    enqueueing._producers.cache_clear()
    enqueueing._link.cache_clear()
    monkeypatch.setattr(current_app.conf, "broker_write_url", server.url)
    assert publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="in-use-before") == 1
    server.hang()
    yield server
    server.go_on()
    server.kill()
    enqueueing._producers.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_request_that_enqueues_a_lot_is_held_by_a_frozen_broker_for_a_moment_only(
    frozen_broker: ThrowawayValkey,
) -> None:
    started = time.monotonic()

    for _ in range(50):
        enqueue(TaskName.SEND_BATCHES, account_id=3)

    assert time.monotonic() - started < 3 * enqueueing.PUBLISH_TIMEOUT_SECONDS


def test_broker_that_goes_on_is_used_again_after_the_hold_down(
    frozen_broker: ThrowawayValkey,
) -> None:
    frozen = publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="frozen-just-now")
    frozen_broker.go_on()
    held = publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="held-down-now")
    time.sleep(HOLD_DOWN_PER_COST * enqueueing.PUBLISH_TIMEOUT_SECONDS + 0.5)

    again = publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="well-again-now")

    assert (frozen, held, again) == (0, 0, 1)


def test_frozen_broker_costs_one_request_the_timeout_and_no_later_one(
    frozen_broker: ThrowawayValkey,
) -> None:
    publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="frozen-just-now")
    # Past the hold-down, so that the broker is looked at again while they come.
    ends_at = time.monotonic() + HOLD_DOWN_PER_COST * enqueueing.PUBLISH_TIMEOUT_SECONDS + 1.5

    def waits(_: int) -> list[float]:
        found = []
        while (started := time.monotonic()) < ends_at:
            publish(TaskName.SEND_BATCHES, ids={"account_id": 3}, correlation="another-one")
            found.append(time.monotonic() - started)
            time.sleep(0.02)
        return found

    with ThreadPoolExecutor(4) as requests:
        seconds = [one for found in requests.map(waits, range(4)) for one in found]

    looked = [one for one in seconds if one > PROBE_S / 2]
    assert 1 <= len(looked) <= 4
    assert max(seconds) < enqueueing.PUBLISH_TIMEOUT_SECONDS


@pytest.mark.django_db(transaction=True)
def test_many_wake_ups_travel_together(broker: Redis) -> None:
    enqueue(TaskName.SEND_BATCHES, copies=1_234, account_id=3)

    messages = waiting(broker, Queue.BATCH_EMAIL)
    assert len({one["headers"]["id"] for one in messages}) == 1_234
    assert len({one["properties"]["delivery_tag"] for one in messages}) == 1_234
    assert {one["properties"]["correlation_id"] == one["headers"]["id"] for one in messages} == {
        True
    }


@pytest.mark.django_db
def test_sweeper_publishes_no_more_than_there_are_free_places(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_sources", {})
    register_due_source("test", lambda: [Due(TaskName.SEND_BATCHES, 1_000_000, {"account_id": 1})])

    first = sweep(redis=broker)
    second = sweep(redis=broker)

    assert (first, second) == (10, 0)
    assert free_places(Queue.BATCH_EMAIL, broker) == 0


@pytest.mark.django_db
def test_source_that_fails_does_not_stop_the_others(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[Due]:
        raise RuntimeError

    monkeypatch.setattr(sweeping, "_sources", {})
    register_due_source("broken", fail)
    register_due_source("sound", lambda: [Due(TaskName.CLOSE_MAILINGS, 1, {})])

    assert sweep(redis=broker) == 1
    assert len(waiting(broker, Queue.CONTROL)) == 1


def test_broker_that_is_away_has_no_free_places() -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2)

    assert free_places(Queue.SMS, nowhere) == 0

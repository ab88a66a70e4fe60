"""Publishing wake-up calls: after the commit, briefly, and never as a condition of anything.

A wake-up says "this queue has work". The rows are the work: a lost or doubled wake-up costs
latency at most, so that a broker which is down or hangs must not hold a request or a commit.
"""

from __future__ import annotations

import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError, OperationalError
from kombu.pools import producers
from redis.exceptions import RedisError

from apps.queues.correlation import correlation_id
from apps.queues.limiting.broker_link import BrokerLink, open_broker
from apps.queues.registry import TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu import Producer
    from kombu.pools import ProducerPool

log = structlog.get_logger(__name__)

# A publish takes well under 10 ms; a broker that takes longer than this is taken for dead.
PUBLISH_TIMEOUT_SECONDS = 0.5
# So many wake-ups travel to the broker together.
BATCH_SIZE = 500
# Celery keeps the name correlation_id for itself.
CORRELATION_HEADER = "flux_correlation"
# Seconds since 1970 of the first publishing; a retried task keeps it.
ENQUEUED_HEADER = "enqueued_at"
# How often this very wake-up has killed its worker (see `poison`).
DEATHS_HEADER = "flux_deaths"


def enqueue(task: str, *, copies: int = 1, **ids: int | str) -> None:
    """Publishes `copies` wake-ups for `task` once the transaction at hand has committed.

    Never raises. With the broker away the first waits for `PUBLISH_TIMEOUT_SECONDS`; after that one
    caller now and then looks for a moment whether it is back, and the sweeper catches up.
    """
    publish_after_commit = partial(
        publish, task, copies=copies, ids=ids, correlation=correlation_id()
    )
    transaction.on_commit(publish_after_commit)


def publish(
    task: str,
    *,
    ids: Mapping[str, int | str],
    correlation: str,
    copies: int = 1,
    deaths: int = 0,
) -> int:
    """Publishes at once; returns how many wake-ups the broker took."""
    link, started = _link(os.getpid()), time.monotonic()
    if copies < 1 or not link.may_ask(started):
        return 0
    headers = {
        CORRELATION_HEADER: correlation,
        ENQUEUED_HEADER: time.time(),
        DEATHS_HEADER: deaths,
    }
    try:
        with _producers(os.getpid()).acquire(
            block=True, timeout=PUBLISH_TIMEOUT_SECONDS
        ) as producer:
            sent = _send(producer, task, copies, ids, headers)
    except (KombuError, OperationalError, RedisError, OSError) as error:
        now = time.monotonic()
        link.failed(now=now, cost_s=now - started)
        log.warning("wake_up_not_published", task=task, error=type(error).__name__)
        return 0
    link.answered()
    return sent


def _send(
    producer: Producer,
    task: str,
    copies: int,
    ids: Mapping[str, int | str],
    headers: Mapping[str, object],
) -> int:
    sent = 0
    while sent < copies:
        batch = min(copies - sent, BATCH_SIZE)
        channel: Any = producer.channel  # the transport of ours; kombu's types know it as some
        with channel.batched():
            current_app.send_task(
                task,
                kwargs=dict(ids),
                queue=TASK_QUEUES[task],
                producer=producer,
                retry=False,
                headers=dict(headers),
            )
            channel.repeat(batch - 1)
        sent += batch
    return sent


@cache
def _link(_pid: int) -> BrokerLink:
    return BrokerLink(open_broker(current_app.conf.broker_write_url))


@cache
def _producers(_pid: int) -> ProducerPool:
    """A pool of its own: the application's connection waits for a broker as long as it takes."""
    connection = current_app.connection_for_write(
        connect_timeout=PUBLISH_TIMEOUT_SECONDS,
        transport_options={
            **current_app.conf.broker_transport_options,
            "socket_timeout": PUBLISH_TIMEOUT_SECONDS,
            "socket_connect_timeout": PUBLISH_TIMEOUT_SECONDS,
            "retry_on_timeout": False,
        },
    )
    pool: ProducerPool = producers[connection]
    return pool

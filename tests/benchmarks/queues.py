"""What travelling costs: empty tasks, enqueueing, the limiter, claiming and settling."""

from __future__ import annotations

import time

from apps.queues.names import Queue
from tests.rows import Row
from tests.stations import SendingStation

TASKS = 10_000
ENQUEUED = 40_000
SLOTS = 5_000
BATCHES = 300
WORKER = "worker-control"
EMPTY_WORKER = "worker-empty"


def empty_tasks() -> list[Row]:
    """A task that does nothing, from the broker to its last log line, by two processes."""
    with SendingStation("bench") as running, running.station.valkey.server.client() as broker:
        took = float(running.desk.call(
            "tests.benchmarks.queues_desk:publish_empty", number=TASKS, within_seconds=300
        ))  # fmt: skip
        started = time.monotonic()
        running.start_variant(
            WORKER,
            name=EMPTY_WORKER,
            application="tests.benchmarks.empty_task",
            environment={"BENCH_EMPTY_TASK": "1"},
            concurrency=2,
        )
        running.wait_until(
            lambda: int(broker.llen(Queue.CONTROL)) < TASKS, seconds=120, what="the first task"
        )
        begun, waiting = time.monotonic(), int(broker.llen(Queue.CONTROL))
        running.wait_until(
            lambda: not broker.llen(Queue.CONTROL) and not broker.exists("unacked"),
            seconds=300,
            what="all tasks to end",
        )
        rate = waiting / (time.monotonic() - begun)
        return [
            Row("empty tasks, 2 processes", round(rate), "tasks/s"),
            Row("the worker's start", round(begun - started, 1), "s"),
            Row("wake-ups published one after the other", round(TASKS / took), "1/s"),
        ]


def enqueueing() -> list[Row]:
    """40,000 wake-ups by one call."""
    with SendingStation("bench") as running:
        took = float(running.desk.call(
            "tests.benchmarks.queues_desk:enqueue_batched", number=ENQUEUED, within_seconds=300
        ))  # fmt: skip
        return [
            Row("enqueue of 40,000", round(took, 2), "s", "under 2", took < 2),
            Row("the same", round(ENQUEUED / took), "wake-ups/s"),
        ]


def limiter() -> list[Row]:
    """Reservations of one process, one after the other, where no limit makes them wait."""
    with SendingStation("bench") as running:
        rate = float(running.desk.call(
            "tests.benchmarks.queues_desk:reserve", account=running.account_id, number=SLOTS,
            within_seconds=300,
        ))  # fmt: skip
        return [Row("limiter calls", round(rate), "1/s")]


def claims() -> list[Row]:
    """Batches of 100 claimed, sealed and settled by one process, without a provider."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(BATCHES * 100)
        figures = running.desk.call(
            "tests.benchmarks.queues_desk:claim_and_settle",
            sender=running.sender_id,
            number=BATCHES,
            within_seconds=600,
        )
        return [
            Row("claims", round(figures["claims"]), "batches/s"),
            Row("settles", round(figures["settles"]), "batches/s"),
            Row("messages settled", round(figures["settles"] * 100), "1/s"),
            Row("claim, seal and settle", round(figures["whole"]), "batches/s"),
        ]

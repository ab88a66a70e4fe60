"""The station's Celery application with queues that it has never heard of, and poisonous tasks.

`celery -A tests.integration.queues.made_up worker` is a worker of these queues; `declare` alone
lets a test publish to them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import time
from typing import TYPE_CHECKING

from apps.queues.registry import (
    Endpoint,
    ExternalQueueSpec,
    QueueSpec,
    Watermarks,
    register_external_queue,
    register_queue,
)

if TYPE_CHECKING:
    from celery import Celery

QUEUE = "discord_jobs"
EXTERNAL = "package_generation"
TASK_SECONDS = 60
HANG_SECONDS = 3
NOTE, FAIL, SEGFAULT, EXHAUST, HANG = (
    f"made_up.{verb}" for verb in ("note", "fail", "segfault", "exhaust", "hang")
)


def internal_queue() -> QueueSpec:
    return QueueSpec(
        QUEUE,
        "Made up by a test",
        concurrency=2,
        task_seconds=TASK_SECONDS,
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=10, age_seconds=60),
        attempts=2,
        tasks=(NOTE, FAIL, SEGFAULT, EXHAUST, HANG),
    )


def external_queue(url: str) -> ExternalQueueSpec:
    return ExternalQueueSpec(
        EXTERNAL,
        "Made up by a test",
        endpoint=lambda: Endpoint(url, token="a-token"),
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=10, age_seconds=60),
        every_seconds=3600,
        total_seconds=2,
        attempts=2,
    )


def note(*, text: str, **_: object) -> None:
    """Leaves a mark that a test can see: a file of that name."""
    from apps.queues.deliveries import current_delivery

    delivery = current_delivery()
    assert delivery is not None
    with open(os.path.join(os.environ["MADE_UP_FOLDER"], text), "a") as file:  # noqa: PTH118, PTH123
        file.write(
            f"{delivery.queue} {delivery.attempt} {delivery.attempts_left}"
            f" {delivery.correlation_id} {delivery.enqueued_at} {delivery.seconds_left:.1f}\n"
        )


def fail(*, text: str) -> None:
    note(text=text)
    raise RuntimeError("it always does")


def segfault(*, text: str) -> None:
    note(text=text)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump takes a busy machine seconds
    ctypes.string_at(0)


def exhaust(*, text: str) -> None:
    """More memory than this process may have; the limit is the kernel's."""
    note(text=text)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:  # noqa: PTH123
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 50_000_000, limits[1]))
    try:
        bytearray(2_000_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def hang(*, text: str) -> None:
    note(text=text)
    time.sleep(60)


def declare_tasks(application: Celery) -> None:
    for name, body in {
        NOTE: note,
        FAIL: fail,
        SEGFAULT: segfault,
        EXHAUST: exhaust,
        HANG: hang,
    }.items():
        application.task(name=name)(body)


if "MADE_UP_FOLDER" in os.environ:
    register_queue(internal_queue())
    register_external_queue(external_queue(os.environ["MADE_UP_URL"]))

    from config.celery import app

    # Only the task that is to outlive its limit has a short one: the others may take their time.
    app.conf.task_annotations = {
        **app.conf.task_annotations,
        HANG: {"time_limit": HANG_SECONDS},
    }
    declare_tasks(app)

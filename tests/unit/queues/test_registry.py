"""Every queue is declared once, every task is registered, every queue is worked."""

from __future__ import annotations

import pytest
from celery import current_app

from apps.queues.names import Queue, TaskName
from apps.queues.registry import (
    EXTERNAL_QUEUES,
    QUEUES,
    TASK_QUEUES,
    Endpoint,
    ExternalQueueSpec,
    QueueSpec,
    Watermarks,
    register_external_queue,
    register_queue,
)
from apps.station.local import procfile

MARKS = Watermarks(depth=1, age_seconds=1)


def spec(name: str, *tasks: str) -> QueueSpec:
    return QueueSpec(name, "Made up", concurrency=1, task_seconds=1, usual_wait_seconds=1,
                     watermarks=MARKS, tasks=tasks)  # fmt: skip


def test_every_task_of_the_registry_is_registered_with_celery() -> None:
    current_app.loader.import_default_modules()

    ours = {name for name in current_app.tasks if not name.startswith(("celery.", "tests."))}

    assert ours == set(TASK_QUEUES)
    assert set(TaskName) <= set(TASK_QUEUES)


def test_every_queue_is_declared_and_has_a_worker_command() -> None:
    programs = {
        one.name: one.command for one in procfile.workers({"PORT": "1", "FLUX_VAR_DIR": "/"})
    }

    assert set(QUEUES) == set(Queue)
    assert {one.program for one in QUEUES.values()} == set(programs)
    for queue in QUEUES.values():
        command = programs[queue.program]
        assert command[command.index("--queues") + 1] == queue.name


def test_queue_without_tasks_says_what_it_waits_for() -> None:
    for queue in QUEUES.values():
        assert bool(queue.waits_for) is not bool(queue.tasks), queue.name


def test_leases_outlast_a_turn_and_are_shorter_than_patience() -> None:
    for queue in QUEUES.values():
        if queue.lease_seconds is not None:
            assert 0 < queue.lease_seconds <= queue.task_seconds * 10, queue.name


def test_latency_classes_do_not_share_a_worker() -> None:
    quick = [one for one in QUEUES.values() if one.usual_wait_seconds <= 1]

    assert {one.name for one in quick} == {"control", "single-email"}


@pytest.mark.parametrize(
    "again",
    [lambda: register_queue(spec("sms")), lambda: register_queue(spec("x", TaskName.RUN_DRY))],
)
def test_name_or_task_declared_twice_is_refused(again: object) -> None:
    assert callable(again)

    with pytest.raises(ValueError, match=r"declared already|has a queue already"):
        again()

    assert "x" not in QUEUES


def test_external_queue_has_no_internal_ones_name() -> None:
    external = ExternalQueueSpec("sms", "Made up", endpoint=lambda: Endpoint("http://x"),
                                 usual_wait_seconds=1, watermarks=MARKS)  # fmt: skip

    with pytest.raises(ValueError, match="'sms' is declared already"):
        register_external_queue(external)

    assert EXTERNAL_QUEUES == {}

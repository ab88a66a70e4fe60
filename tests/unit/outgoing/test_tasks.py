"""What workers are woken for, and on which queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.queues.names import Queue, TaskName
from apps.queues.registry import TASK_QUEUES
from apps.station import tasks
from apps.station.outgoing import collecting, sending
from config.celery import app

if TYPE_CHECKING:
    import pytest


def test_tasks_are_known_to_workers_and_have_their_queues() -> None:
    app.loader.import_default_modules()

    assert {TaskName.COLLECT_WEBHOOKS, TaskName.SEND_WEBHOOKS} <= set(app.tasks)
    assert TASK_QUEUES[TaskName.SEND_WEBHOOKS] == Queue.WEBHOOKS
    # A receiver that hangs must not hold up that others are told at all.
    assert TASK_QUEUES[TaskName.COLLECT_WEBHOOKS] != Queue.WEBHOOKS


def test_tasks_call_their_services_and_bear_arguments_of_a_newer_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[object] = []
    monkeypatch.setattr(sending, "send_due", lambda *, endpoint_id: called.append(endpoint_id))
    monkeypatch.setattr(collecting, "collect", lambda: called.append("collected"))

    tasks.send_webhooks.run(endpoint_id=7, hint="new")
    tasks.collect_webhooks.run(hint="new")

    assert called == [7, "collected"]

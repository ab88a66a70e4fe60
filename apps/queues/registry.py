"""Every queue, declared once: what it is for, how it is worked, what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from apps.queues.names import Queue, TaskName

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class QueueSpec:
    """One internal queue.

    `concurrency` is the number of processes of its worker command (and so of the database
    connections it holds); `task_seconds` the hard limit of one task; `usual_wait_seconds` the
    latency class: how long work may wait here on a good day.
    """

    name: Queue
    purpose: str
    concurrency: int
    task_seconds: int
    usual_wait_seconds: int
    tasks: tuple[TaskName, ...] = ()


_SPECS = (
    QueueSpec(
        Queue.CONTROL,
        "What operators wait for: closing mailings, starting campaigns, dry runs in short turns",
        concurrency=2,
        task_seconds=60,
        usual_wait_seconds=1,
        tasks=(TaskName.CLOSE_MAILINGS, TaskName.START_SCHEDULED, TaskName.RUN_DRY),
    ),
    QueueSpec(
        Queue.AUDIENCE,
        "Turning an audience into messages, page by page",
        concurrency=1,
        task_seconds=300,
        usual_wait_seconds=5,
        tasks=(TaskName.PLAN_AUDIENCE,),
    ),
    QueueSpec(
        Queue.SINGLE_EMAIL,
        "Single mails, ahead of all bulk",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=1,
        tasks=(TaskName.SEND_SINGLES,),
    ),
    QueueSpec(
        Queue.BATCH_EMAIL,
        "Campaign mail in batches of up to 100",
        concurrency=10,
        task_seconds=120,
        usual_wait_seconds=60,
        tasks=(TaskName.SEND_BATCHES,),
    ),
    QueueSpec(
        Queue.EVENTS,
        "Working off the provider's delivery events, and the figures they change",
        concurrency=2,
        task_seconds=120,
        usual_wait_seconds=10,
        tasks=(TaskName.APPLY_EVENTS, TaskName.FOLD_FIGURES, TaskName.COLLECT_WEBHOOKS),
    ),
    QueueSpec(
        Queue.IMPORTS,
        "Uploaded files, previewed and imported: minutes each, and somebody watches",
        concurrency=2,
        task_seconds=900,
        usual_wait_seconds=5,
        tasks=(TaskName.ADVANCE_UPLOAD,),
    ),
    QueueSpec(
        Queue.MAINTENANCE,
        "Partitions, retention, pruning",
        concurrency=1,
        task_seconds=900,
        usual_wait_seconds=300,
        tasks=(
            TaskName.MAINTAIN_PARTITIONS,
            TaskName.PRUNE_PERIODS,
            TaskName.ENFORCE_RETENTION,
            TaskName.DELETE_DRY_RUNS,
            TaskName.PRUNE_UPLOADS,
        ),
    ),
    QueueSpec(
        Queue.SEGMENTS,
        "Segment changes at the provider, one contact at a time",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=300,
    ),
    QueueSpec(
        Queue.SMS,
        "Texts in chunks of 100",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=60,
    ),
    QueueSpec(
        Queue.WEBHOOKS,
        "Telling other systems what happened, endpoint by endpoint",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=10,
        tasks=(TaskName.SEND_WEBHOOKS,),
    ),
)

QUEUES: Mapping[Queue, QueueSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})

TASK_QUEUES: Mapping[TaskName, Queue] = MappingProxyType(
    {task: spec.name for spec in _SPECS for task in spec.tasks}
)

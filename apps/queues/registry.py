"""Every queue, declared once: what it is for, how it is worked, what it may cost.

Internal queues are worked by Celery workers of ours, one worker command each in `deploy/Procfile`.
External ones belong to other systems, which hold their rows and do the work when they are called.
Other rooms declare their queues with `register_queue` and `register_external_queue` where their
tasks are declared: everything that works, watches or shows queues goes by these tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.conf import settings

from apps.queues.names import Queue, TaskName
from apps.queues.retrying import RetryWaits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Watermarks:
    """Crossing one is an alert: so many rows due, or the oldest of them due for so long.

    Further: more open dead letters than that, and no success for so long while work is due.
    """

    depth: int
    age_seconds: int
    dead_letters: int = 0
    silence_seconds: int = 900


@dataclass(frozen=True)
class ThrottleBudget:
    """A row that keeps getting 429s is given up after so many, so long after it first failed."""

    count: int
    seconds: float


@dataclass(frozen=True)
class QueueSpec:
    """One internal queue.

    `concurrency` is the number of processes of its worker command (and so of the database
    connections it holds); `task_seconds` the hard limit of one task; `usual_wait_seconds` the
    latency class: how long work may wait here on a good day. `attempts` is the budget of one
    wake-up whose task raises (rows count their own attempts), `retry_waits` the waits between its
    tries. A provider's 429 costs no attempt but is counted against `throttle_budget` (None: the
    one of FLUX_THROTTLE_BUDGET_COUNT and _SECONDS; see `throttling`). `lease_setting` names the
    setting that says how long a claimed row belongs to its worker; none where work is one
    transaction.
    `waits_for` marks a queue whose worker stands ready for tasks that are still to come.
    """

    name: str
    purpose: str
    concurrency: int
    task_seconds: int
    usual_wait_seconds: int
    watermarks: Watermarks
    tasks: tuple[str, ...] = ()
    attempts: int = 4
    retry_waits: RetryWaits = field(default_factory=RetryWaits)
    throttle_budget: ThrottleBudget | None = None
    lease_setting: str = ""
    waits_for: str = ""

    @property
    def lease_seconds(self) -> float | None:
        return float(getattr(settings, self.lease_setting)) if self.lease_setting else None

    @property
    def program(self) -> str:
        """The name of its worker command in `deploy/Procfile`."""
        return f"worker-{self.name}"


@dataclass(frozen=True)
class Endpoint:
    """Where an external queue is worked: `url`, and the token it wants as `Bearer`."""

    url: str
    token: str = ""


@dataclass(frozen=True)
class ExternalQueueSpec:
    """A queue of another system, worked by calling it (see `external`).

    It is called once per `every_seconds` at most, with a total deadline of `total_seconds`;
    `attempts` failures in a row make a dead letter. `endpoint` is asked at each call, so that it
    may come from settings or a table; None where the queue is switched off.
    """

    name: str
    purpose: str
    endpoint: Callable[[], Endpoint | None]
    usual_wait_seconds: int
    watermarks: Watermarks
    every_seconds: int = 60
    total_seconds: float = 30.0
    attempts: int = 3


_SPECS = (
    QueueSpec(
        Queue.CONTROL,
        "What people wait for: joining, closing mailings, starting campaigns, dry runs in turns",
        concurrency=2,
        task_seconds=60,
        usual_wait_seconds=1,
        watermarks=Watermarks(depth=100, age_seconds=60),
        tasks=(
            TaskName.CLOSE_MAILINGS,
            TaskName.START_SCHEDULED,
            TaskName.RUN_DRY,
            TaskName.REDRIVE_LETTERS,
            TaskName.WORK_JOINS,
            TaskName.SYNC_LISTS,
            TaskName.CHOOSE_TEXTS,
        ),
    ),
    QueueSpec(
        Queue.AUDIENCE,
        "Turning audiences and due steps into messages, page by page",
        concurrency=1,
        task_seconds=300,
        usual_wait_seconds=5,
        watermarks=Watermarks(depth=20, age_seconds=600),
        tasks=(
            TaskName.PLAN_AUDIENCE,
            TaskName.PLAN_DIGEST,
            TaskName.ADVANCE_SEQUENCES,
            TaskName.REVIEW_SEQUENCES,
        ),
    ),
    QueueSpec(
        Queue.SINGLE_EMAIL,
        "Single mails, ahead of all bulk",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=1,
        watermarks=Watermarks(depth=1_000, age_seconds=60),
        lease_setting="BATCH_LEASE_SECONDS",
        tasks=(TaskName.SEND_SINGLES,),
    ),
    QueueSpec(
        Queue.BATCH_EMAIL,
        "Campaign mail in batches of up to 100",
        concurrency=10,
        task_seconds=120,
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=5_000, age_seconds=21_600),
        lease_setting="BATCH_LEASE_SECONDS",
        tasks=(TaskName.SEND_BATCHES,),
    ),
    QueueSpec(
        Queue.EVENTS,
        "Working off the provider's delivery events, and the figures they change",
        concurrency=2,
        task_seconds=120,
        usual_wait_seconds=10,
        watermarks=Watermarks(depth=20_000, age_seconds=600),
        tasks=(
            TaskName.APPLY_EVENTS,
            TaskName.FOLD_FIGURES,
            TaskName.COLLECT_WEBHOOKS,
            TaskName.INVALIDATE_CACHES,
            TaskName.APPLY_CALLBACKS,
            TaskName.COUNT_TEXTS,
        ),
    ),
    QueueSpec(
        Queue.IMPORTS,
        "Uploaded files and the provider's lists of people: minutes each, and somebody watches",
        concurrency=2,
        task_seconds=900,
        usual_wait_seconds=5,
        watermarks=Watermarks(depth=20, age_seconds=1_800),
        tasks=(TaskName.ADVANCE_UPLOAD, TaskName.SYNC_LIST),
    ),
    QueueSpec(
        Queue.MAINTENANCE,
        "Partitions, retention, pruning, reading what digests are made of",
        concurrency=1,
        task_seconds=900,
        usual_wait_seconds=300,
        watermarks=Watermarks(depth=20, age_seconds=7_200),
        tasks=(
            TaskName.MAINTAIN_PARTITIONS,
            TaskName.PRUNE_PERIODS,
            TaskName.PRUNE_ANSWERS,
            TaskName.ENFORCE_RETENTION,
            TaskName.DELETE_DRY_RUNS,
            TaskName.PRUNE_UPLOADS,
            TaskName.ERASE_TRACES,
            TaskName.ARCHIVE_SENT_LOG,
            TaskName.PRUNE_JOINING,
            TaskName.COMPOSE_DIGESTS,
            TaskName.READ_SOURCES,
            TaskName.PRUNE_TRACKING,
        ),
    ),
    QueueSpec(
        Queue.SEGMENTS,
        "Segment changes at the provider, one contact at a time",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=300,
        watermarks=Watermarks(depth=50_000, age_seconds=21_600),
        attempts=3,
        retry_waits=RetryWaits(base_seconds=0.75, spread=1 / 3),  # 500 to 750 ms at first
        throttle_budget=ThrottleBudget(count=100, seconds=3_600),
        lease_setting="SEGMENT_LEASE_SECONDS",
        tasks=(TaskName.WORK_SEGMENTS,),
    ),
    QueueSpec(
        Queue.SMS,
        "Texts in chunks of 100",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=5_000, age_seconds=3_600),
        lease_setting="BATCH_LEASE_SECONDS",
        tasks=(TaskName.SEND_TEXTS, TaskName.SEND_REPLIES),
    ),
    QueueSpec(
        Queue.WEBHOOKS,
        "Telling other systems what happened, endpoint by endpoint",
        concurrency=4,
        task_seconds=120,
        usual_wait_seconds=10,
        watermarks=Watermarks(depth=10_000, age_seconds=900),
        lease_setting="WEBHOOK_LEASE_SECONDS",
        tasks=(TaskName.SEND_WEBHOOKS,),
    ),
    QueueSpec(
        Queue.PULSE,
        "Interactions from other systems, stored in bulk, and the scores they change",
        concurrency=2,
        task_seconds=120,
        usual_wait_seconds=10,
        watermarks=Watermarks(depth=500_000, age_seconds=600),
        lease_setting="PULSE_LEASE_SECONDS",
        tasks=(
            TaskName.STORE_INTERACTIONS,
            TaskName.RESCORE_TOUCHED,
            TaskName.RECOMPUTE_ENGAGEMENT,
            TaskName.START_RECOMPUTING,
        ),
    ),
    QueueSpec(
        Queue.EXTERNAL,
        "Calling the queues of other systems, each at most once per its interval",
        concurrency=1,
        task_seconds=120,
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=20, age_seconds=900),
        tasks=(TaskName.WORK_EXTERNAL,),
    ),
)

_queues: dict[str, QueueSpec] = {}
_external_queues: dict[str, ExternalQueueSpec] = {}
_task_queues: dict[str, str] = {}

QUEUES: Mapping[str, QueueSpec] = MappingProxyType(_queues)
EXTERNAL_QUEUES: Mapping[str, ExternalQueueSpec] = MappingProxyType(_external_queues)
TASK_QUEUES: Mapping[str, str] = MappingProxyType(_task_queues)


def register_queue(spec: QueueSpec) -> None:
    """Declares an internal queue; called at import, before a worker reads Celery's settings.

    Raises ValueError for a name or a task that is declared already.
    """
    _insist_on_new_name(spec.name)
    for task in spec.tasks:
        if task in _task_queues:
            raise ValueError(f"task {task!r} has a queue already: {_task_queues[task]!r}")
    _queues[spec.name] = spec
    _task_queues.update(dict.fromkeys(spec.tasks, spec.name))


def register_external_queue(spec: ExternalQueueSpec) -> None:
    """Declares a queue of another system. Raises ValueError for a name declared already."""
    _insist_on_new_name(spec.name)
    _external_queues[spec.name] = spec


def _insist_on_new_name(name: str) -> None:
    if name in _queues or name in _external_queues:
        raise ValueError(f"queue {name!r} is declared already")


for _spec in _SPECS:
    register_queue(_spec)

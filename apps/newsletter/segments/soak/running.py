"""One soak: sign-ups in a burst, updates of the scores, and workers until all is settled."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from django.db import connections, transaction

from apps.contacts.models import ConsentSource
from apps.contacts.subscribing import Evidence
from apps.newsletter import joining
from apps.newsletter.models import SegmentWish
from apps.newsletter.segments import wishes
from apps.newsletter.segments.working import work_through

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.mail.sending import Door
    from apps.newsletter.segments.soak.stage import Stage

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.25
# Scores are drawn from 0 to 99 by this step, so that every tier is met, and each run the same.
SCORE_STEP = 37


@dataclass(frozen=True)
class Plan:
    """`signups` people join, `per_second` of them; each then gets `updates` new scores.

    Subscribing must have a P95 below `subscribe_p95_ms`; 0: it is told and not judged.
    """

    signups: int = 10
    per_second: float = 10.0
    updates: int = 3
    workers: int = 4
    timeout_seconds: float = 120.0
    subscribe_p95_ms: float = 800.0


@dataclass(frozen=True)
class Person:
    """One sign-up. `score` is the last one wished for."""

    contact_id: int
    email: str
    subscribe_ms: float
    score: int


@dataclass(frozen=True)
class Played:
    people: list[Person]
    seconds: float
    settled: bool


def play(stage: Stage, plan: Plan, door: Door, tell: Callable[[int, int], None]) -> Played:
    """Runs the plan; `tell(settled, all)` is called while the queue is worked off."""
    began = time.monotonic()
    stopping = threading.Event()
    with ThreadPoolExecutor(plan.workers + 1, thread_name_prefix="soak") as threads:
        for _ in range(plan.workers):
            threads.submit(_work, door, stopping)
        try:
            people = _join_all(stage, plan)
            settled = _await([one.contact_id for one in people], plan, tell)
        finally:
            stopping.set()
    return Played(people, time.monotonic() - began, settled)


def _join_all(stage: Stage, plan: Plan) -> list[Person]:
    run = uuid4().hex[:8]
    number_of = min(plan.signups, 16)
    with ThreadPoolExecutor(number_of, thread_name_prefix="joins") as threads:
        _in_each(threads, number_of, partial(_warm_up, stage))
        began = time.monotonic()
        joins = []
        for number in range(plan.signups):
            due = began + number / plan.per_second
            time.sleep(max(0.0, due - time.monotonic()))
            joins.append(threads.submit(_join, stage, plan, f"soak-{run}-{number}@example.org",
                                        number))  # fmt: skip
        people = [one.result() for one in joins]
        _in_each(threads, number_of, connections.close_all)
    return people


def _warm_up(stage: Stage) -> None:
    """A sign-up that is taken back, for a connection and all that a web server has loaded."""
    with transaction.atomic():
        email = f"soak-{uuid4().hex}@example.org"
        joining.subscribe(brand=stage.brand, email=email, evidence=_evidence())
        transaction.set_rollback(True)


def _evidence() -> Evidence:
    return Evidence(source=ConsentSource.FORM, occurred_at=datetime.now(tz=UTC), detail="soak")


def _in_each(threads: ThreadPoolExecutor, number: int, action: Callable[[], None]) -> None:
    """Runs the action once in each of the threads."""
    all_here = threading.Barrier(number)

    def run() -> None:
        all_here.wait()
        action()

    for one in [threads.submit(run) for _ in range(number)]:
        one.result()


def _join(stage: Stage, plan: Plan, email: str, number: int) -> Person:
    """Through the service behind the form; the scores that follow come in one burst."""
    began = time.perf_counter()
    joined = joining.subscribe(brand=stage.brand, email=email, evidence=_evidence())
    spent_ms = (time.perf_counter() - began) * 1000
    contact_id = joined.contact_id or 0
    score = 0
    for update in range(plan.updates):
        score = (number + 1) * (update + 1) * SCORE_STEP % 100
        wishes.want(
            contact_id=contact_id,
            target_segment=stage.segment_of(score),
            score=score,
            mode="update",
            at=datetime.now(tz=UTC),
        )
    return Person(contact_id, email, spent_ms, score)


def _work(door: Door, stopping: threading.Event) -> None:
    try:
        while not stopping.is_set():
            if not work_through(door, turn_seconds=1.0):
                stopping.wait(POLL_SECONDS)
    except Exception:
        log.exception("soak_worker_failed")
    finally:
        connections.close_all()


def _await(contact_ids: list[int], plan: Plan, tell: Callable[[int, int], None]) -> bool:
    ends_at = time.monotonic() + plan.timeout_seconds
    while True:
        open_ = SegmentWish.objects.of_contacts(contact_ids).open().count()
        tell(len(contact_ids) - open_, len(contact_ids))
        if not open_ or time.monotonic() >= ends_at:
            return not open_
        time.sleep(POLL_SECONDS)

"""One sync of one list: claimed, read, merged; begun anew by the next worker if this one dies."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, cast

import structlog
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.sms import config
from apps.sms.listing import merging, staging
from apps.sms.listing.documents import read_records
from apps.sms.listing.errors import LeaseLostError, ListError, ListNotReadError
from apps.sms.listing.fetching import PIECE_BYTES, fetch
from apps.sms.listing.records import read_person, unknown_number
from apps.sms.models import ListReject, ListSyncRun, OptInList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from apps.sms.listing.merging import Leavers, MergeCounts
    from apps.sms.listing.records import Candidate, Reject

log = structlog.get_logger(__name__)
State = ListSyncRun.State

LEASE = timedelta(seconds=90)
"""Longer than the longest silence of the provider that a download endures."""
ATTEMPTS = 3
AGAIN_AFTER = timedelta(seconds=30)
SAVED_EVERY_SECONDS = 1.0
REJECTS_KEPT = 10_000
MERGE_TRIES = 3
PROBLEM_LIMIT = 500


class Phase(StrEnum):
    READING = "reading"
    MERGING = "merging"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is. How long a list is, nobody knows before its end."""

    phase: Phase
    bytes_read: int = 0
    records: int = 0
    rejected: int = 0


def advance_run(
    *, run_id: int, on_progress: Callable[[Progress], None] = lambda _: None
) -> ListSyncRun | None:
    """Works the run off, if it is due and nobody is at it; returns it as it stands afterwards.

    A failed attempt is due again after a while, and fails for good after three. Raises the
    database's errors alone: the run is then taken over once its lease is out.
    """
    run = _claim(run_id)
    if run is None:
        return None
    attempt = _Attempt(run, on_progress)
    try:
        attempt.work()
    except LeaseLostError:
        log.warning("list_sync_taken_over", run=run_id)
    except ListNotReadError as error:
        _fail(run, error, for_good=run.attempts >= ATTEMPTS)
    except ListError as error:
        _fail(run, error, for_good=True)
    finally:
        with suppress(DatabaseError):
            staging.drop()
    return ListSyncRun.objects.get(pk=run_id)


def _claim(run_id: int) -> ListSyncRun | None:
    due = Q(state=State.WAITING, run_after__lte=Now()) | Q(
        state=State.RUNNING, lease_until__lt=Now()
    )
    with transaction.atomic():
        runs = ListSyncRun.objects.select_for_update(skip_locked=True, no_key=True)
        if runs.filter(due, pk=run_id).first() is None:
            return None
        ListSyncRun.objects.filter(pk=run_id).update(
            state=State.RUNNING,
            lease_until=Now() + LEASE,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            started_at=Now(),
            phase=Phase.READING,
            bytes_read=0,
            records=0,
            rejected=0,
        )
        run = ListSyncRun.objects.select_related("opt_in_list__account").get(pk=run_id)
    if run.attempts > ATTEMPTS:
        told = f"Tried {ATTEMPTS} times; each time the worker ended before the sync did."
        _fail(run, ListError(told), for_good=True)
        return None
    return run


def _mine(run: ListSyncRun) -> Q:
    return Q(pk=run.pk, fence=run.fence, state=State.RUNNING)


def _fail(run: ListSyncRun, error: ListError, *, for_good: bool) -> None:
    problem = str(error)[:PROBLEM_LIMIT]
    mine = ListSyncRun.objects.filter(_mine(run))
    if for_good:
        mine.update(state=State.FAILED, lease_until=None, ended_at=Now(), problem=problem)
        log.error("list_sync_failed", run=run.pk, list=run.opt_in_list_id, problem=problem)
        return
    again_at = Now() + AGAIN_AFTER * run.attempts
    mine.update(state=State.WAITING, lease_until=None, run_after=again_at, problem=problem)
    log.warning("list_sync_again", run=run.pk, list=run.opt_in_list_id, problem=problem)


class _Attempt:
    """One attempt at a run: everything it reads is forgotten unless it comes to its end."""

    def __init__(self, run: ListSyncRun, on_progress: Callable[[Progress], None]) -> None:
        self._run = run
        self._list: OptInList = run.opt_in_list
        self._seen_at = cast("datetime", run.started_at)  # set by the claim
        self._on_progress = on_progress
        self._saved_at = 0.0
        self._bytes = self._records = self._rejected = 0
        self._rejects: list[Reject] = []

    def work(self) -> None:
        staging.create()
        with fetch(self._list) as answer:
            pieces = self._counted(answer.pieces(PIECE_BYTES))
            content_type = answer.headers.get("content-type", "")
            self._stage_all(self._people(pieces, content_type))
        self._save(Phase.MERGING)
        staging.analyse()
        for attempt in range(1, MERGE_TRIES + 1):
            try:
                self._merge()
            except OperationalError as error:
                # Somebody else changed the same people crosswise, and was let through.
                if attempt == MERGE_TRIES or "deadlock" not in str(error):
                    raise
            else:
                return

    # --- Reading ------------------------------------------------------------------------------

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._bytes += len(piece)
            if time.monotonic() - self._saved_at >= SAVED_EVERY_SECONDS:
                self._save(Phase.READING)
            yield piece

    def _people(self, pieces: Iterator[bytes], content_type: str) -> Iterator[Candidate]:
        for record in read_records(pieces, content_type=content_type):
            self._records += 1
            person, reject = read_person(record)
            if reject is not None:
                self._reject(reject)
            if person is not None:
                yield person

    def _stage_all(self, people: Iterator[Candidate]) -> None:
        rows: list[str] = []
        for person in people:
            row = staging.row(person)
            if row is None:
                self._reject(unknown_number(person))
                continue
            rows.append(row)
            if len(rows) == staging.CHUNK_ROWS:
                staging.copy(rows)
                rows.clear()
        staging.copy(rows)

    def _reject(self, reject: Reject) -> None:
        self._rejected += 1
        if len(self._rejects) < REJECTS_KEPT:
            self._rejects.append(reject)

    def _save(self, phase: Phase) -> None:
        """Tells how far it is, and keeps the lease. Raises LeaseLostError."""
        self._saved_at = time.monotonic()
        kept = ListSyncRun.objects.filter(_mine(self._run)).update(
            lease_until=Now() + LEASE,
            phase=phase,
            bytes_read=self._bytes,
            records=self._records,
            rejected=self._rejected,
        )
        if not kept:
            raise LeaseLostError
        self._on_progress(Progress(phase, self._bytes, self._records, self._rejected))

    # --- Merging ------------------------------------------------------------------------------

    @transaction.atomic
    def _merge(self) -> None:
        self._lock()
        merging.prepare()
        leavers = merging.count_leavers(self._list)
        if leavers.leaving > self._may_leave(leavers):
            self._ask(leavers)
            return
        counts = merging.merge(
            self._list, seen_at=self._seen_at, refresh_minutes=self._refresh_minutes()
        )
        self._finish(counts, leavers)

    def _lock(self) -> None:
        """Until the end of the transaction nobody else can take the run over."""
        mine = ListSyncRun.objects.select_for_update(no_key=True).filter(_mine(self._run))
        if mine.first() is None:
            raise LeaseLostError

    def _may_leave(self, leavers: Leavers) -> int:
        share = max(1, leavers.active * self._list.leave_percent // 100)
        # An empty list is a fault of the provider's, or something that a person has to know.
        usual = share if leavers.leaving < max(2, leavers.active) else 0
        return max(usual, self._run.may_leave or 0)

    def _refresh_minutes(self) -> int:
        """How old `verified_at` may grow: an hour, and never an eighth of what it is good for."""
        hours = config.read(self._list.brand_id).verify_max_age_hours
        return min(merging.REFRESH_MINUTES, hours * 60 // 8) if hours else merging.REFRESH_MINUTES

    def _ask(self, leavers: Leavers) -> None:
        problem = (
            f"{leavers.leaving:,} of {leavers.active:,} people are not on the list any more, and at"
            f" most {self._list.leave_percent} % may leave unasked. Nothing was changed."
        )
        self._end(State.ASKS, leavers, problem=problem)
        log.error("list_sync_asks", run=self._run.pk, leaving=leavers.leaving)

    def _finish(self, counts: MergeCounts, leavers: Leavers) -> None:
        self._end(State.DONE, leavers, **asdict(counts))
        ListReject.objects.filter(run__opt_in_list=self._list).delete()
        ListReject.objects.bulk_create(
            [
                ListReject(run=self._run, **asdict(reject))
                for reject in sorted(self._rejects, key=attrgetter("line"))
            ],
            batch_size=1000,
        )
        OptInList.objects.filter(pk=self._list.pk).update(last_run=self._run)
        log.info("list_synced", run=self._run.pk, list=self._list.pk, **asdict(counts))

    def _end(self, state: State, leavers: Leavers, problem: str = "", **counts: int) -> None:
        earlier = ListSyncRun.objects.filter(
            opt_in_list=self._list, state=State.ASKS, pk__lt=self._run.pk
        )
        earlier.update(state=State.SUPERSEDED)
        ListSyncRun.objects.filter(pk=self._run.pk).update(
            state=state,
            lease_until=None,
            ended_at=Now(),
            phase="",
            problem=problem,
            bytes_read=self._bytes,
            records=self._records,
            rejected=self._rejected,
            were_active=leavers.active,
            would_leave=leavers.leaving,
            **counts,
        )

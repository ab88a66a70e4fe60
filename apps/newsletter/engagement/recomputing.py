"""Counting everybody of a brand anew: each night, and whenever rules or tiers changed.

A run is a row that knows how far it came. Pages are transactions: whoever works on it may be
killed, and the next one goes on behind the last page.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.contacts.models import Contact
from apps.newsletter.engagement.scoring import Rescored, Selection, rescore_selected
from apps.newsletter.models import Recomputation, ScoreChange
from apps.newsletter.pulse import letters
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

# Some two seconds; people who do something meanwhile wait that long for their score.
PAGE = 10_000
TURN_SECONDS = 20.0
KEPT_DAYS = 60
DUE_AT_MOST = 10


def start(*, brand_id: int, cause: ScoreChange.Cause) -> Recomputation:
    """A new run, or the brand's unfinished one."""
    newest = Contact.objects.filter(brand_id=brand_id).aggregate(newest=Max("pk"))["newest"]
    Recomputation.objects.bulk_create(
        [Recomputation(brand_id=brand_id, cause=cause, until=newest or 0)], ignore_conflicts=True
    )
    return Recomputation.objects.get(brand_id=brand_id, finished_at=None)


def start_nightly() -> int:
    """A run for each brand that has rules or tiers; returns how many.

    What is kept for a while only goes at the same time.
    """
    letters.forget_old()
    Recomputation.objects.filter(finished_at__lt=Now() - timedelta(days=KEPT_DAYS)).delete()
    brands = brands_with_engagement().values_list("pk", flat=True)
    for brand_id in brands:
        run = start(brand_id=brand_id, cause=ScoreChange.Cause.NIGHTLY)
        enqueue(TaskName.RECOMPUTE_ENGAGEMENT, run_id=run.pk)
    return len(brands)


def brands_with_engagement() -> QuerySet[Brand]:
    """Those with rules or tiers; the people of the others have neither score nor tier."""
    return Brand.objects.filter(
        Q(score_rules__isnull=False) | Q(tiers__isnull=False)
    ).distinct().order_by("pk")  # fmt: skip


def advance(*, run_id: int, turn_seconds: float = TURN_SECONDS) -> None:
    """Works at the run for a while; the sweeper wakes the next one while it is unfinished."""
    ends_at = time.monotonic() + turn_seconds
    while advance_page(run_id=run_id) is not None:
        if time.monotonic() > ends_at:
            enqueue(TaskName.RECOMPUTE_ENGAGEMENT, run_id=run_id)
            return


def advance_page(
    *, run_id: int, size: int = PAGE, on_page: Callable[[Rescored], None] | None = None
) -> Rescored | None:
    """One page; None where the run is finished, or somebody else is at it."""
    with transaction.atomic():
        rows = Recomputation.objects.select_for_update(skip_locked=True)
        run = rows.filter(pk=run_id, finished_at=None).first()
        if run is None:
            return None
        until = page_end(run.brand_id, after=run.cursor, until=run.until, size=size)
        page = Rescored()
        if until is not None:
            selection = Selection.range(brand_id=run.brand_id, after=run.cursor, until=until)
            page = rescore_selected(selection, cause=ScoreChange.Cause(run.cause))
        _note(run, page, until)
    if on_page is not None:
        on_page(page)
    return page


def _note(run: Recomputation, page: Rescored, until: int | None) -> None:
    run.contacts += page.contacts
    run.changed += page.changed
    run.moved += page.moved
    if until is None:
        _finish(run)
    else:
        run.cursor = until
        run.save(update_fields=["contacts", "changed", "moved", "cursor"])


def _finish(run: Recomputation) -> None:
    Recomputation.objects.filter(pk=run.pk).update(finished_at=Now())
    run.refresh_from_db(fields=["finished_at"])
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0
    log.info(
        "run_ended",
        name="newsletter.recompute_engagement",
        arguments={"brand": run.brand_id, "cause": run.cause},
        row_count=run.contacts,
        changed=run.changed,
        moved=run.moved,
        duration_ms=round(seconds * 1000),
    )


def page_end(brand_id: int, *, after: int, until: int, size: int = PAGE) -> int | None:
    """The last contact of the next page; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(id) FROM (SELECT id FROM contacts_contact"
            " WHERE brand_id = %s AND id > %s AND id <= %s ORDER BY id LIMIT %s) page",
            [brand_id, after, until, size],
        )
        found: int | None = cursor.fetchone()[0]
    return found


def due_runs() -> Iterable[Due]:
    """For the sweeper: what is not finished, because its wake-up was lost or its worker died."""
    unfinished = Recomputation.objects.filter(finished_at=None).values_list("pk", flat=True)
    return [
        Due(TaskName.RECOMPUTE_ENGAGEMENT, 1, {"run_id": pk}) for pk in unfinished[:DUE_AT_MOST]
    ]

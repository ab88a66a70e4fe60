"""Reading the sources of an issue: each until it works or its tries are spent.

A reading is a row with a lease: two workers do not ask a host at once, and one that is killed is
followed by another. No transaction is open during the request.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.newsletter.digests import alarms
from apps.newsletter.digests.errors import SourceError
from apps.newsletter.digests.fetching import fetch
from apps.newsletter.models import DigestSource, RunRecord, SourceReading
from apps.newsletter.recording import recorded
from apps.queues.retrying import backoff_seconds

if TYPE_CHECKING:
    from apps.newsletter.digests.articles import Article
    from apps.newsletter.recording import Run

log = structlog.get_logger(__name__)

# A wake-up ends well inside its queue's limit, whatever hosts do.
TURN_SECONDS = 300.0
LONGEST_WAIT_SECONDS = 600.0

_CLAIM = """
UPDATE newsletter_sourcereading
   SET attempts = attempts + 1, due_at = statement_timestamp() + make_interval(secs => %(lease)s)
 WHERE id = (SELECT id FROM newsletter_sourcereading
              WHERE state = 'waiting' AND due_at <= statement_timestamp()
              ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def read_due(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Reads every source that is due now; returns how many requests were made."""
    ends_at = time.monotonic() + turn_seconds
    made = 0
    while time.monotonic() < ends_at:
        reading = _claim()
        if reading is None:
            break
        _read(reading)
        made += 1
    return made


def read_now(*, digest_id: int) -> int:
    """Reads each source of a digest once, for its preview; returns how many worked."""
    sources = DigestSource.objects.select_related("digest").filter(digest=digest_id)
    return sum(_read_for_preview(source) for source in sources)


def _read_for_preview(source: DigestSource) -> bool:
    with recorded("digest.read", brand_id=source.digest.brand_id, source=source.pk) as run:
        articles = _asked(source, run)
    if articles is None:
        DigestSource.objects.filter(pk=source.pk).update(
            failed_at=Now(), last_error=run.detail[:200]
        )
        return False
    _keep(source, articles)
    return True


def _claim() -> SourceReading | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": settings.FEED_TOTAL_SECONDS * 3})
        row = cursor.fetchone()
    if row is None:
        return None
    return SourceReading.objects.select_related("source__digest").get(pk=row[0])


def _read(reading: SourceReading) -> None:
    source = reading.source
    with recorded(
        "digest.read",
        brand_id=source.digest.brand_id,
        source=source.pk,
        issue=reading.issue_id,
        attempt=reading.attempts,
    ) as run:
        articles = _asked(source, run)
    if articles is None:
        _note_failure(reading, run.detail[:200])
        return
    with transaction.atomic():
        items = [article.to_json() for article in articles]
        if _settle(reading, state=SourceReading.State.GOOD, items=items):
            _keep(source, articles)


def _asked(source: DigestSource, run: Run) -> list[Article] | None:
    """None where the source failed; the run says why."""
    try:
        articles = fetch(source)
    except SourceError as error:
        run.outcome, run.detail = RunRecord.Outcome.FAILED, str(error)
        return None
    chosen = _chosen(source, articles)
    run.row_count = len(chosen)
    if not chosen:
        run.outcome = RunRecord.Outcome.EMPTY
    return chosen


def _chosen(source: DigestSource, articles: list[Article]) -> list[Article]:
    oldest = (datetime.now(tz=UTC) - timedelta(days=source.newest_days)).isoformat()
    fresh = [one for one in articles if not one.published_at or one.published_at >= oldest]
    return fresh[: source.most_items]


def _note_failure(reading: SourceReading, error: str) -> None:
    source = reading.source
    if reading.attempts < settings.FEED_TRIES:
        wait = backoff_seconds(
            attempt=reading.attempts, base=settings.FEED_RETRY_SECONDS, cap=LONGEST_WAIT_SECONDS
        )
        _settle(
            reading,
            state=SourceReading.State.WAITING,
            error=error,
            due_at=Now() + timedelta(seconds=wait),
        )
        return
    with transaction.atomic():
        if _settle(reading, state=SourceReading.State.FAILED, error=error):
            DigestSource.objects.filter(pk=source.pk).update(failed_at=Now(), last_error=error)
            alarms.source_failed(source, error, tries=reading.attempts)


def _settle(reading: SourceReading, **changes: object) -> bool:
    """False where somebody else has claimed the reading since."""
    mine = SourceReading.objects.filter(
        pk=reading.pk, attempts=reading.attempts, state=SourceReading.State.WAITING
    )
    return bool(mine.update(**changes))


def _keep(source: DigestSource, articles: list[Article]) -> None:
    """What stands in where the source fails next time."""
    if articles:
        DigestSource.objects.filter(pk=source.pk).update(
            items=[article.to_json() for article in articles]
        )
    DigestSource.objects.filter(pk=source.pk).update(read_at=Now(), failed_at=None, last_error="")
    alarms.source_works(source)

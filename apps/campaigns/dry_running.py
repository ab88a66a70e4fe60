"""Dry runs: who would get a campaign and who not, worked out page by page in the background.

The pages ask in the same words as `mail.planning`, so that a dry run says what a launch at that
moment would do. Where the rows lie and how long: docs/adr/0012.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now
from psycopg import sql

from apps.campaigns import audience, references
from apps.campaigns.counting import CAMPAIGN_CLASS
from apps.campaigns.errors import AlreadyLaunched, DryRunError
from apps.campaigns.fingerprints import fingerprint
from apps.campaigns.models import Campaign, DryRun
from apps.campaigns.references import References
from apps.campaigns.selecting import select
from apps.contacts.models import Contact
from apps.mail.planning import people_sql
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

# Some 150 ms: a cancellation is felt at once, and progress is seen to move.
PAGE_SIZE = 25_000
# Others on the queue get their turn, at most so much later.
TURN_SECONDS = 5.0
# A runner that made no page for so long is gone.
SILENT_SECONDS = 3
KEPT_DAYS = 7
DUE_AT_MOST = 50


def start_dry_run(*, campaign_id: int, actor: str) -> DryRun:
    """Begins a run over everybody who is a contact now; the campaign's earlier runs are deleted.

    Raises `DryRunError` while one runs, `AlreadyLaunched`, `InvalidAudienceError` and
    `UnknownReferenceError`.
    """
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    if campaign.mailing_id is not None:
        raise AlreadyLaunched("The campaign was launched: its recipients say who got it.")
    resolved = references.resolve(audience.parse(campaign.audience), brand_id=campaign.brand_id)
    select(audience.parse(campaign.audience), resolved.references)
    ids = Contact.objects.of_brand(campaign.brand_id).aggregate(first=Min("pk"), last=Max("pk"))
    since = (ids["first"] or 1) - 1
    try:
        with transaction.atomic():
            _delete(campaign.dry_runs.exclude(state=DryRun.State.RUNNING))
            run = DryRun.objects.create(
                campaign=campaign,
                fingerprint=fingerprint(campaign),
                audience=campaign.audience,
                frozen_references=resolved.references.to_json(),
                since=since,
                cursor=since,
                until=ids["last"] or since,
                started_by=actor,
            )
            _execute(_CREATE, run)
            enqueue(TaskName.RUN_DRY, dry_run_id=run.pk)
    except IntegrityError as error:
        raise DryRunError("A dry run of this campaign is under way: wait, or cancel it.") from error
    log.info("dry_run_started", dry_run=run.pk, campaign=campaign_id, by=actor)
    run.refresh_from_db()
    return run


_CREATE = "CREATE UNLOGGED TABLE {table} (contact_id bigint NOT NULL, reason text NOT NULL)"


def run_dry(*, dry_run_id: int, turn_seconds: float = TURN_SECONDS) -> None:
    """Page after page until the run is over, or the turn: then it enqueues itself."""
    ends_at = time.monotonic() + turn_seconds
    while _run_page(dry_run_id):
        if time.monotonic() > ends_at:
            enqueue(TaskName.RUN_DRY, dry_run_id=dry_run_id)
            return


def _run_page(dry_run_id: int) -> bool:
    """Whether there is more to do. Two runners at once wait for each other at the row."""
    with transaction.atomic():
        run = (
            DryRun.objects.select_for_update(of=("self",))
            .select_related("campaign")
            .filter(pk=dry_run_id, state=DryRun.State.RUNNING)
            .first()
        )
        if run is None:
            return False
        if _is_lost(run):
            _end(run, DryRun.State.LOST)
            return False
        found, last, would_get, reasons = _insert_page(run)
        run.cursor = last or run.until
        run.would_get += would_get
        run.skipped = {
            reason: run.skipped.get(reason, 0) + reasons.get(reason, 0)
            for reason in sorted({*run.skipped, *reasons})
        }
        run.moved_at = Now()
        run.save(update_fields=["cursor", "would_get", "skipped", "moved_at"])
        if found < PAGE_SIZE:
            _index(run)
            _end(run, DryRun.State.COMPLETED)
            return False
        return True


def _is_lost(run: DryRun) -> bool:
    """An unlogged table is empty after a crash of the database, or holds all that was counted."""
    return run.looked_at > 0 and not has_rows(run)


def has_rows(run: DryRun) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [run.rows_table])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(_named("SELECT EXISTS (SELECT FROM {table})", run))
        return bool(cursor.fetchone()[0])


_PAGE = """
WITH page AS MATERIALIZED ({people}), stored AS (
    INSERT INTO {table} (contact_id, reason) SELECT id, coalesce(reason, '') FROM page
), reasons AS (
    SELECT reason, count(*) AS number FROM page WHERE reason IS NOT NULL GROUP BY reason
)
SELECT (SELECT count(*) FROM page), (SELECT max(id) FROM page),
       (SELECT count(*) FROM page WHERE reason IS NULL),
       (SELECT coalesce(jsonb_object_agg(reason, number), '{{}}') FROM reasons)::text
"""


def _insert_page(run: DryRun) -> tuple[int, int | None, int, dict[str, int]]:
    selection = select(audience.parse(run.audience), References.from_json(run.frozen_references))
    people, params = people_sql(selection, CAMPAIGN_CLASS, size=PAGE_SIZE)
    bounds: dict[str, Any] = {
        "brand": run.campaign.brand_id,
        "cursor": run.cursor,
        "until": run.until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(people=people, table=run.rows_table), {**params, **bounds})
        found, last, would_get, reasons = cursor.fetchone()
    return found, last, would_get, orjson.loads(reasons)


def _index(run: DryRun) -> None:
    """Once all rows are there: a third of the work of keeping the indexes while they come."""
    _execute("CREATE UNIQUE INDEX ON {table} (contact_id)", run)
    _execute("CREATE INDEX ON {table} (reason, contact_id)", run)
    _execute("ANALYZE {table}", run)


def _end(run: DryRun, state: DryRun.State) -> None:
    run.state = state
    DryRun.objects.filter(pk=run.pk).update(state=state, finished_at=Now(), moved_at=Now())
    log.info("dry_run_ended", dry_run=run.pk, state=state, looked_at=run.looked_at)


def cancel_dry_run(*, dry_run_id: int, actor: str) -> None:
    """Ends it after the page under way, without rows. Raises `DryRunError` where it is over."""
    with transaction.atomic():
        run = DryRun.objects.select_for_update().get(pk=dry_run_id)
        if run.state != DryRun.State.RUNNING:
            raise DryRunError(f"The dry run is {run.state} already.")
        _execute("DROP TABLE IF EXISTS {table}", run)
        _end(run, DryRun.State.CANCELLED)
    log.info("dry_run_cancelled", dry_run=dry_run_id, by=actor)


def delete_dry_runs(*, campaign_id: int) -> None:
    """With their rows, also one that is under way: for a draft that is deleted."""
    with transaction.atomic():
        _delete(DryRun.objects.filter(campaign_id=campaign_id))


def delete_old_dry_runs() -> int:
    """Deletes runs older than `KEPT_DAYS`, and row tables whose run is gone; how many runs."""
    old = DryRun.objects.filter(moved_at__lt=Now() - timedelta(days=KEPT_DAYS))
    with transaction.atomic():
        deleted = _delete(old)
    for table in _orphans():
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))
    if deleted:
        log.info("dry_runs_deleted", number=deleted)
    return deleted


def _orphans() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANS)
        return [name for (name,) in cursor.fetchall()]


_ORPHANS = """
SELECT relname FROM pg_class
 WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
   AND relname ~ '^campaigns_dry_run_rows_[0-9]+$'
   AND NOT EXISTS (SELECT FROM campaigns_dryrun
                    WHERE id = substring(relname FROM '[0-9]+$')::bigint)
"""


def _delete(runs: QuerySet[DryRun]) -> int:
    found = list(runs.select_for_update())
    for run in found:
        _execute("DROP TABLE IF EXISTS {table}", run)
    DryRun.objects.filter(pk__in=[run.pk for run in found]).delete()
    return len(found)


def _execute(statement: str, run: DryRun) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_named(statement, run))


def _named(statement: str, run: DryRun) -> str:
    """The name holds a number of ours and nothing else."""
    return statement.format(table=run.rows_table)


def due_dry_runs() -> Iterable[Due]:
    """Runs whose runner is gone, or whose wake-up was lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM campaigns_dryrun WHERE state = 'running'"
            f" AND moved_at < now() - make_interval(secs => {SILENT_SECONDS})"
            f" ORDER BY moved_at LIMIT {DUE_AT_MOST}"
        )
        return [
            Due(TaskName.RUN_DRY, 1, {"dry_run_id": dry_run_id})
            for (dry_run_id,) in cursor.fetchall()
        ]

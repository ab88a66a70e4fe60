"""Working a file off: each page and how far it brought us are one transaction.

So a run that is killed goes on behind its last page, and none is written twice. A dry run does
the same work and takes it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from apps.sms.backfilling import files
from apps.sms.models import Backfill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from apps.sms.backfilling.jobs import Job

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows so far, those of earlier runs included; `rejects` are the new ones: row and why."""

    done: int
    rejected: int
    bytes_read: int
    rejects: tuple[tuple[int, str], ...] = ()


def run(  # noqa: PLR0913 - the parts of one run, each by its name
    *,
    job: Job,
    path: Path,
    brand_slug: str,
    dry_run: bool,
    show: Callable[[Progress], None],
    page_size: int = PAGE,
) -> Progress:
    """Works the file off, from where an earlier run of it stopped. Raises `files.BadFileError`."""
    backfill = _begin(job.name, f"{brand_slug} {path.name}", files.fingerprint(path), dry_run)
    progress = Progress(backfill.position, backfill.rejected, 0)
    pages = files.read_pages(
        path,
        known=job.known,
        required=job.required,
        size=page_size,
        skip=0 if dry_run else backfill.position,
    )
    if dry_run:
        progress = Progress(0, 0, 0)
    for page in pages:
        first = page.ends_at - len(page.rows) + 1
        with transaction.atomic():
            rejects = tuple((first + place, why) for place, why in job.write(page.rows))
            progress = Progress(
                page.ends_at, progress.rejected + len(rejects), page.bytes_read, rejects
            )
            _keep(backfill, progress)
            transaction.set_rollback(dry_run)
        show(progress)
    if not dry_run:
        Backfill.objects.filter(pk=backfill.pk).update(finished_at=Now())
    return progress


def _begin(command: str, source: str, fingerprint: str, dry_run: bool) -> Backfill:  # noqa: FBT001 - passed on
    if dry_run:
        return Backfill(command=command, source=source, fingerprint=fingerprint)
    backfill, _ = Backfill.objects.get_or_create(
        command=command, source=source[:500], defaults={"fingerprint": fingerprint}
    )
    if backfill.fingerprint != fingerprint:  # another file of the same name
        Backfill.objects.filter(pk=backfill.pk).update(
            fingerprint=fingerprint, position=0, done=0, rejected=0, finished_at=None
        )
    backfill.refresh_from_db()
    return backfill


def _keep(backfill: Backfill, progress: Progress) -> None:
    Backfill.objects.filter(pk=backfill.pk).update(
        position=progress.done,
        done=progress.done - progress.rejected,
        rejected=progress.rejected,
        updated_at=Now(),
    )

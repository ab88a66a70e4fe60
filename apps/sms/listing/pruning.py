"""Old syncs go: their rejects hold people's numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from apps.sms.models import ListSyncRun, OptInList

if TYPE_CHECKING:
    from datetime import datetime

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
_PAGE = 2_000


def prune_runs(*, now: datetime) -> int:
    """Deletes syncs that ended more than 30 days ago, but for each list's last; how many."""
    old = ListSyncRun.objects.filter(ended_at__lt=now - KEPT)
    last = OptInList.objects.exclude(last_run=None).values("last_run")
    ids = list(old.exclude(pk__in=last).order_by("pk").values_list("pk", flat=True)[:_PAGE])
    ListSyncRun.objects.filter(pk__in=ids).delete()
    if ids:
        log.info("list_syncs_pruned", runs=len(ids))
    return len(ids)

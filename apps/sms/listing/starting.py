"""What makes a list be synced: the clock, a command, an operator."""

from __future__ import annotations

import structlog
from django.db import IntegrityError, transaction

from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.sms.listing.errors import ListBusyError, ListError
from apps.sms.models import ListSyncRun, OptInList

log = structlog.get_logger(__name__)
Trigger = ListSyncRun.Trigger


def start_all() -> int:
    """A run for each active list that has none under way; returns how many were begun."""
    lists = OptInList.objects.filter(active=True, account__stopped_at=None).exclude(
        runs__state__in=["waiting", "running"]
    )
    begun = 0
    for opt_in_list in lists:
        try:
            start(opt_in_list_id=opt_in_list.pk, trigger=Trigger.SCHEDULE)
        except ListBusyError:
            continue  # begun by somebody else just now
        begun += 1
    return begun


def start(
    *, opt_in_list_id: int, trigger: Trigger, by: str = "", may_leave: int | None = None
) -> ListSyncRun:
    """A run that a worker takes up at once.

    Raises ListBusyError where one of this list is under way.
    """
    try:
        with transaction.atomic():
            run = ListSyncRun.objects.create(
                opt_in_list_id=opt_in_list_id,
                trigger=trigger,
                requested_by=by[:150],
                may_leave=may_leave,
                correlation_id=correlation_id() or "",
            )
    except IntegrityError as error:
        raise ListBusyError(
            "A sync of this list is under way already; see its progress in admin."
        ) from error
    enqueue(TaskName.SYNC_LIST, run_id=run.pk)
    log.info("list_sync_started", run=run.pk, list=opt_in_list_id, trigger=trigger)
    return run


def confirm(*, run_id: int, by: str) -> ListSyncRun:
    """Lets as many people leave as the run asked about; the list is read anew for it.

    Where by then more would leave, the new run asks again. Raises ListError where the run does
    not ask (any more), ListBusyError while another is under way.
    """
    asking = ListSyncRun.objects.get(pk=run_id)
    if asking.state != ListSyncRun.State.ASKS:
        raise ListError("This sync asks nothing (any more): a later one has answered it.")
    log.warning("list_sync_confirmed", run=run_id, may_leave=asking.would_leave)
    return start(
        opt_in_list_id=asking.opt_in_list_id,
        trigger=Trigger.OPERATOR,
        by=by,
        may_leave=asking.would_leave,
    )

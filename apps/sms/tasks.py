from celery import shared_task
from django.utils import timezone

from apps.queues import schedules
from apps.queues.names import TaskName
from apps.sms import figures
from apps.sms.callbacks import applying, replying
from apps.sms.calling import sending
from apps.sms.choosing import running as choosing
from apps.sms.listing import pruning, running, starting
from apps.sms.sent_log import archiving
from apps.sms.tracking.pruning import prune_tracking as prune


@shared_task(name=TaskName.CHOOSE_TEXTS)
def choose_texts(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule) and (period := schedules.claimed_period()):
        choosing.run_brands(minute=period.starts_at)


@shared_task(name=TaskName.COUNT_TEXTS)
def count_texts(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        figures.count_due()


@shared_task(name=TaskName.ARCHIVE_SENT_LOG)
def archive_sent_log(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        archiving.archive_expired()


@shared_task(name=TaskName.SEND_TEXTS)
def send_texts(*, account_id: int, **_: object) -> None:
    sending.send_texts(account_id=account_id)


@shared_task(name=TaskName.SYNC_LISTS)
def sync_lists(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        starting.start_all()
        pruning.prune_runs(now=timezone.now())


@shared_task(name=TaskName.SYNC_LIST)
def sync_list(*, run_id: int, **_: object) -> None:
    running.advance_run(run_id=run_id)


@shared_task(name=TaskName.APPLY_CALLBACKS)
def apply_callbacks(**_: object) -> None:
    applying.apply_callbacks()


@shared_task(name=TaskName.SEND_REPLIES)
def send_replies(**_: object) -> None:
    replying.send_replies()


@shared_task(name=TaskName.PRUNE_TRACKING)
def prune_tracking(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        prune()

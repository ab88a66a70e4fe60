from celery import shared_task

from apps.mail import mailings, retention, sending
from apps.mail.events import applying
from apps.mail.reports import figures
from apps.queues import schedules
from apps.queues.names import TaskName


@shared_task(name=TaskName.SEND_BATCHES)
def send_batches(*, account_id: int, **_: object) -> None:
    sending.send_batches(account_id=account_id)


@shared_task(name=TaskName.SEND_SINGLES)
def send_singles(*, account_id: int, **_: object) -> None:
    sending.send_singles(account_id=account_id)


@shared_task(name=TaskName.CLOSE_MAILINGS)
def close_mailings(**_: object) -> None:
    mailings.settle_cancelled()
    mailings.close_finished()


@shared_task(name=TaskName.APPLY_EVENTS)
def apply_events(**_: object) -> None:
    applying.apply_events()


@shared_task(name=TaskName.FOLD_FIGURES)
def fold_figures(**_: object) -> None:
    figures.fold_changes()


@shared_task(name=TaskName.ENFORCE_RETENTION)
def enforce_retention(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        retention.delete_settled_bodies()
        retention.delete_expired_batches()

from celery import shared_task

from apps.brands.api import idempotency
from apps.queues import schedules
from apps.queues.names import TaskName


@shared_task(name=TaskName.PRUNE_ANSWERS)
def prune_answers(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        idempotency.prune()

from celery import shared_task

from apps.queues import bulk_redriving, external, partitions, schedules
from apps.queues.maintenance import prune_periods as prune
from apps.queues.names import TaskName


@shared_task(name=TaskName.MAINTAIN_PARTITIONS)
def maintain_partitions(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        partitions.maintain()


@shared_task(name=TaskName.PRUNE_PERIODS)
def prune_periods(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        prune()


@shared_task(name=TaskName.WORK_EXTERNAL)
def work_external(*, queue: str, **_: object) -> None:
    external.work_scheduled(queue=queue)


@shared_task(name=TaskName.REDRIVE_LETTERS)
def redrive_letters(*, bulk_id: int, **_: object) -> None:
    bulk_redriving.drive(bulk_id=bulk_id)

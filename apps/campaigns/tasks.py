from celery import shared_task

from apps.campaigns import dry_running, planning, scheduling
from apps.queues import schedules
from apps.queues.names import TaskName


@shared_task(name=TaskName.PLAN_AUDIENCE)
def plan_audience(*, campaign_id: int, **_: object) -> None:
    planning.plan_audience(campaign_id=campaign_id)


@shared_task(name=TaskName.START_SCHEDULED)
def start_scheduled(*, campaign_id: int, **_: object) -> None:
    scheduling.start_scheduled(campaign_id=campaign_id)


@shared_task(name=TaskName.RUN_DRY)
def run_dry(*, dry_run_id: int, **_: object) -> None:
    dry_running.run_dry(dry_run_id=dry_run_id)


@shared_task(name=TaskName.DELETE_DRY_RUNS)
def delete_dry_runs(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        dry_running.delete_old_dry_runs()

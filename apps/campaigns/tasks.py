from celery import shared_task

from apps.campaigns import planning
from apps.queues.names import TaskName


@shared_task(name=TaskName.PLAN_AUDIENCE)
def plan_audience(*, campaign_id: int, **_: object) -> None:
    planning.plan_audience(campaign_id=campaign_id)

from celery import shared_task

from apps.newsletter.engagement import recomputing, touched
from apps.newsletter.pulse import storing
from apps.queues import schedules
from apps.queues.names import TaskName


@shared_task(name=TaskName.STORE_INTERACTIONS)
def store_interactions(**_: object) -> None:
    storing.store_interactions()


@shared_task(name=TaskName.RESCORE_TOUCHED)
def rescore_touched(**_: object) -> None:
    touched.rescore_touched()


@shared_task(name=TaskName.RECOMPUTE_ENGAGEMENT)
def recompute_engagement(*, run_id: int, **_: object) -> None:
    recomputing.advance(run_id=run_id)


@shared_task(name=TaskName.START_RECOMPUTING)
def start_recomputing(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        recomputing.start_nightly()

from celery import shared_task

from apps.newsletter import caching, join_requests, pruning
from apps.newsletter.digests import composing, sources, starting
from apps.newsletter.digests import planning as digest_planning
from apps.newsletter.engagement import recomputing, touched
from apps.newsletter.pulse import storing
from apps.newsletter.segments import working
from apps.newsletter.sequences import advancing, entering, reviewing
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


@shared_task(name=TaskName.COMPOSE_DIGESTS)
def compose_digests(*, schedule: str = "", **_: object) -> None:
    if schedule and not schedules.claim_named_period(schedule):
        return
    starting.start_due()
    composing.compose_due()


@shared_task(name=TaskName.PLAN_DIGEST)
def plan_digest(*, issue_id: int, **_: object) -> None:
    digest_planning.plan_digest(issue_id=issue_id)


@shared_task(name=TaskName.READ_SOURCES)
def read_sources(*, digest_id: int, **_: object) -> None:
    sources.read_now(digest_id=digest_id)


@shared_task(name=TaskName.ADVANCE_SEQUENCES)
def advance_sequences(*, schedule: str = "", **_: object) -> None:
    if schedule and not schedules.claim_named_period(schedule):
        return
    entering.enter_all()
    advancing.advance_due()


@shared_task(name=TaskName.REVIEW_SEQUENCES)
def review_sequences(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        reviewing.review()


@shared_task(name=TaskName.WORK_JOINS)
def work_joins(**_: object) -> None:
    join_requests.work_joins()


@shared_task(name=TaskName.INVALIDATE_CACHES)
def invalidate_caches(**_: object) -> None:
    caching.invalidate_caches()


@shared_task(name=TaskName.PRUNE_JOINING)
def prune_joining(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        pruning.prune_joining()


@shared_task(name=TaskName.WORK_SEGMENTS)
def work_segments(*, account_id: int, **_: object) -> None:
    working.work_segments(account_id=account_id)

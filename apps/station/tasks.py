from celery import shared_task

from apps.queues.names import TaskName
from apps.station.outgoing import collecting, sending


@shared_task(name=TaskName.COLLECT_WEBHOOKS)
def collect_webhooks(**_: object) -> None:
    collecting.collect()


@shared_task(name=TaskName.SEND_WEBHOOKS)
def send_webhooks(*, endpoint_id: int, **_: object) -> None:
    sending.send_due(endpoint_id=endpoint_id)

from celery import shared_task

from apps.queues.names import TaskName
from apps.sms.calling import sending


@shared_task(name=TaskName.SEND_TEXTS)
def send_texts(*, account_id: int, **_: object) -> None:
    sending.send_texts(account_id=account_id)

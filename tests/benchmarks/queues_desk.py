"""What the benchmarks of queues do in a station's own process."""

from __future__ import annotations

import time

from celery import current_app

from apps.brands.models import ProviderAccount
from apps.mail import outcomes
from apps.mail.claiming import claim_batch
from apps.mail.clients import limiter_for
from apps.mail.models import Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.planning import Selection, plan_page
from apps.mail.sealing import compose, seal
from apps.queues.enqueueing import publish
from apps.queues.limiting import Held
from apps.queues.names import Queue, TaskName
from tests.benchmarks.desk import _mailing
from tests.benchmarks.empty_task import EMPTY


def publish_empty(*, number: int) -> float:
    """Seconds for so many wake-ups of the empty task, one by one."""
    started = time.perf_counter()
    with current_app.producer_pool.acquire(block=True) as producer:
        for _ in range(number):
            current_app.send_task(EMPTY, queue=Queue.CONTROL.value, producer=producer)
    return time.perf_counter() - started


def enqueue_batched(*, number: int) -> float:
    """Seconds for so many wake-ups in one call."""
    started = time.perf_counter()
    sent = publish(
        TaskName.SEND_BATCHES, ids={"account_id": 1}, correlation="the-benchmark", copies=number
    )
    if sent != number:
        raise RuntimeError(f"{sent} of {number} were taken: no figure counts")
    return time.perf_counter() - started


def reserve(*, account: int, number: int) -> float:
    """Reservations a second, the limit lifted."""
    one = limiter_for(ProviderAccount.objects.get(pk=account))
    one.reserve()
    one.observe(0)
    started = time.perf_counter()
    for _ in range(number):
        got = one.reserve()
        if isinstance(got, Held) or not got.shared:
            raise RuntimeError("the broker granted nothing: no figure counts")
    return number / (time.perf_counter() - started)


def claim_and_settle(*, sender: int, number: int) -> dict[str, float]:
    """Batches a second that were claimed, that were settled, and that went the whole way."""
    mailing = _mailing(sender)
    while not plan_page(mailing_id=mailing.pk, selection=Selection()).complete:
        pass
    claiming = settling = 0.0
    began = time.perf_counter()
    for _ in range(number):
        started = time.perf_counter()
        batch = claim_batch(account_id=mailing.account_id)
        claiming += time.perf_counter() - started
        if batch is None:
            raise RuntimeError("no batch was due: no figure counts")
        sealed = compose(batch)
        seal(batch, sealed)
        verdicts = [Verdict(Message.State.SENT, provider_id="x")] * len(sealed.message_ids)
        started = time.perf_counter()
        outcomes.settle(batch, sealed, verdicts, Attempt("accepted"))
        settling += time.perf_counter() - started
    whole = time.perf_counter() - began
    return {"claims": number / claiming, "settles": number / settling, "whole": number / whole}

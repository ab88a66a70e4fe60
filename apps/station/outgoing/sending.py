"""Sending: claim, call, settle; again and again while an endpoint has something due.

No transaction is open during the calls. The calls of one claim run side by side; only they do, and
what they found is settled here, each as soon as it is known.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

import structlog

from apps.station.outgoing.calling import Ending, Outcome, body_of, call
from apps.station.outgoing.claiming import MOST_UNDER_WAY, claim
from apps.station.outgoing.settling import settle

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from apps.station.outgoing.claiming import Claim, ClaimedDelivery
    from apps.station.outgoing.models import WebhookEndpoint

log = structlog.get_logger(__name__)

# One wake-up works this long and then lets the queue's next one in, so that endpoints share the
# workers. With one more round of calls far below the task's time limit.
TURN_SECONDS = 10.0


def send_due(*, endpoint_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Sends what is due to the endpoint; returns how many calls were made."""
    ends_at = time.monotonic() + turn_seconds
    calls = delivered = 0
    with ThreadPoolExecutor(MOST_UNDER_WAY, thread_name_prefix="webhooks") as threads:
        while time.monotonic() < ends_at:
            claimed = claim(endpoint_id=endpoint_id)
            if claimed is None:
                break
            calls += len(claimed.deliveries)
            delivered += _send(claimed, threads)
    if calls:
        log.info("webhooks_sent", endpoint=endpoint_id, calls=calls, delivered=delivered)
    return calls


def _send(claimed: Claim, threads: Executor) -> int:
    """Returns how many were delivered."""
    under_way = {
        threads.submit(_call, claimed.endpoint, delivery): delivery
        for delivery in claimed.deliveries
    }
    delivered = 0
    for call_made in as_completed(under_way):
        outcome = call_made.result()
        settle(under_way[call_made], outcome)
        delivered += outcome.ending is Ending.DELIVERED
    return delivered


def _call(endpoint: WebhookEndpoint, delivery: ClaimedDelivery) -> Outcome:
    """A fault of ours is a failed try too: it must not be repeated without end."""
    try:
        body = body_of(type=delivery.type, occurred_at=delivery.occurred_at, data=delivery.data)
        return call(url=endpoint.url, secrets=endpoint.secrets, uid=delivery.uid, body=body)
    except Exception as error:
        log.exception("webhook_call_raised", delivery=delivery.id)
        return Outcome(Ending.FAILED, error=f"a fault of the station: {type(error).__name__}")

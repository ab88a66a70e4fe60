"""Signed webhooks: when an event is due, how it is signed, and when it is delivered again."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from apps.sandbox.draws import fraction
from apps.sandbox.outbound import Poster
from apps.sandbox.resend.errors import compact_json
from apps.sandbox.resend.events import Step, payload, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.mailbox import Email

REDELIVERY_SECONDS = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
"""The pause before each attempt, counted from the one before it."""
LANES = 8
"""Deliveries under way at once."""
USER_AGENT = "Svix-Webhooks/1.0 (sandbox)"


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The `svix-signature` header: v1 and the HMAC-SHA256 of id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, sha256)).decode()


@dataclass(order=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; sorts by when it is due, in Unix seconds."""

    due_at: float
    account: Account = field(compare=False)
    message_id: str = field(compare=False)
    """The `svix-id`: the same in every delivery of this event."""
    body: bytes = field(compare=False)
    attempt: int = field(default=0, compare=False)


@dataclass(slots=True)
class DeliveryFigures:
    delivered: int = 0
    failed: int = 0
    """Attempts that were not answered with 2xx in time."""
    given_up: int = 0
    """Events whose last attempt failed."""
    dropped: int = 0
    """Events that fell due while webhooks were off."""


class Courier:
    """Delivers events when they are due: at least once, in no promised order."""

    def __init__(self) -> None:
        self.figures = DeliveryFigures()
        self._heap: list[Delivery] = []
        self._ready: asyncio.Queue[Delivery] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._lanes: list[asyncio.Task[None]] = []

    @property
    def pending(self) -> int:
        return len(self._heap) + self._ready.qsize()

    def start(self) -> None:
        self._lanes = [asyncio.create_task(self._run_lane()) for _ in range(LANES)]

    async def stop(self) -> None:
        self.clear()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    def clear(self) -> None:
        self._heap.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
        self.figures = DeliveryFigures()

    def schedule(self, account: Account, emails: Iterable[Email]) -> None:
        """Plan the events of mails just accepted; nothing where webhooks are off."""
        if not (account.settings.webhooks and account.settings.webhook_url):
            return
        for email in emails:
            for step in timeline(email, account.settings):
                self._plan(account, email, step)
        self._arm()

    def _plan(self, account: Account, email: Email, step: Step) -> None:
        settings, (moment, name) = account.settings, step
        digest = blake2b(f"{email.id}/{name}".encode(), digest_size=14).hexdigest()
        body = compact_json(payload(email, step))
        pause = settings.event_delay_ms / 1000
        held_back = fraction(settings.seed, "reorder", email.address, name)
        if held_back < settings.webhook_reorder:
            moment += pause * 4 + 0.05
        heappush(self._heap, Delivery(moment, account, f"msg_{digest}", body))
        if fraction(settings.seed, "double", email.address, name) < settings.webhook_duplicates:
            heappush(self._heap, Delivery(moment + pause, account, f"msg_{digest}", body))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0].due_at - time.time())
            self._timer = asyncio.get_running_loop().call_later(delay, self._release)

    def _release(self) -> None:
        now = time.time() + 0.001
        while self._heap and self._heap[0].due_at <= now:
            self._ready.put_nowait(heappop(self._heap))
        self._arm()

    async def _run_lane(self) -> None:
        poster = Poster()
        try:
            while True:
                await self._attempt(poster, await self._ready.get())
        finally:
            poster.close()

    async def _attempt(self, poster: Poster, delivery: Delivery) -> None:
        settings = delivery.account.settings
        if not settings.webhooks or settings.webhook_url is None:
            self.figures.dropped += 1
            return
        status = await poster.post(
            settings.webhook_url,
            headers=_headers(delivery, settings.webhook_secret),
            body=delivery.body,
            timeout_seconds=settings.webhook_timeout_seconds,
        )
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - the 2xx range
            self.figures.delivered += 1
        else:
            self._again(delivery, settings.webhook_retry_scale)

    def _again(self, delivery: Delivery, scale: float) -> None:
        self.figures.failed += 1
        delivery.attempt += 1
        if delivery.attempt == len(REDELIVERY_SECONDS):
            self.figures.given_up += 1
            return
        delivery.due_at = time.time() + REDELIVERY_SECONDS[delivery.attempt] * scale
        heappush(self._heap, delivery)
        self._arm()


def _headers(delivery: Delivery, secret: str | None) -> dict[str, str]:
    timestamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "svix-id": delivery.message_id,
        "svix-timestamp": str(timestamp),
    }
    if secret:
        headers["svix-signature"] = sign(
            secret, message_id=delivery.message_id, timestamp=timestamp, body=delivery.body
        )
    return headers

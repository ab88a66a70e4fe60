"""One wake-up of one account: end what dead workers left, then keep the window full."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from apps.brands import accounts
from apps.brands.errors import AccountStateError
from apps.brands.models import ProviderAccount
from apps.sms.calling import doubts
from apps.sms.calling.claiming import reap_lapsed
from apps.sms.calling.doors import door_of
from apps.sms.calling.pump import Pump
from apps.sms.tracking import links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sms.calling.claiming import Chunk, Text

log = structlog.get_logger(__name__)

TURN_SECONDS = 20.0
"""One wake-up works this long and then lets the queue's next one in, so that accounts share the
workers. The last calls end within their total deadline, far below the task's time limit."""

_held_until: dict[tuple[int, int], float] = {}


def send_texts(*, account_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Sends the account's due texts; returns how many requests it made.

    It ends when none is due, when window or breaker hold, or when the turn is over.
    """
    for chunk_id, lost in reap_lapsed():
        if lost:
            doubts.note_reaped(chunk_id, lost)
    key = os.getpid(), account_id
    if time.monotonic() < _held_until.get(key, 0.0):
        return 0
    account = (
        ProviderAccount.objects.active()
        .filter(pk=account_id, kind=ProviderAccount.Kind.LIME)
        .first()
    )
    if account is None:
        return 0
    door = door_of(account)
    pump = Pump(
        door,
        links=TrackedLinks(),
        on_account_refused=partial(_stop, account_id),
        on_chunk_ended=doubts.note_ended,
    )
    try:
        return pump.run(ends_at=time.monotonic() + turn_seconds)
    finally:
        pump.close()
        _held_until[key] = time.monotonic() + pump.hold_s


class TrackedLinks:
    """The addresses in texts; what links a message has is read once in a turn."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[str, int]] = {}

    def __call__(self, chunk: Chunk, text: Text) -> Mapping[str, str]:
        if "links" not in text.body:
            return {}
        slots = self._slots.get(text.message_id)
        if slots is None:
            slots = self._slots[text.message_id] = links.slots_of([text.message_id])[
                text.message_id
            ]
        return links.urls(sent_text_id=text.id, local_day=chunk.local_day, slots=slots)


def _stop(account_id: int, reason: str) -> None:
    """The account itself is refused: nothing goes out until a person has looked."""
    try:
        accounts.stop(account_id=account_id, reason=reason)
    except AccountStateError:
        log.info("account_stopped_already", account=account_id)

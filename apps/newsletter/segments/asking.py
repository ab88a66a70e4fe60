"""Calls of commands, in turn with everybody else's: at the account's pace, and tried again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from apps.mail.clients import client_for, limiter_for
from apps.mail.resend import Ambiguous, Reply, SurelyNotSent, Throttled
from apps.queues.limiting import CallClass, Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import ProviderAccount
    from apps.mail.resend import ContactCalls

T = TypeVar("T")

TRIES = 5
PAUSE_SECONDS = 1.0
SLOT_WAIT_MS = 2_000


class Asker:
    """Asks for one account, in the class of segments, so that mail is never held up by it."""

    def __init__(self, account: ProviderAccount) -> None:
        self._calls = client_for(account).contacts
        self._limiter = limiter_for(account)

    def ask(self, question: Callable[[ContactCalls], Reply[T]]) -> T:
        """The answer; what is no refusal is tried again. For calls that may be made twice.

        Raises the `ResendFailure` of the last try.
        """
        for left in reversed(range(TRIES)):
            self._await_slot()
            try:
                reply = question(self._calls)
            except Throttled as failure:
                if not left:
                    raise
                self._limiter.freeze(failure.retry_after_s)
            except (Ambiguous, SurelyNotSent):
                if not left:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                self._limiter.observe(reply.rate.limit)
                return reply.value
        raise AssertionError("the last try raises")

    def _await_slot(self) -> None:
        while True:
            slot = self._limiter.reserve(SLOT_WAIT_MS, call_class=CallClass.SEGMENT)
            if isinstance(slot, Held):
                time.sleep(slot.retry_in_s)
            elif slot.wait():
                return

"""Calls of commands at the account's pace, under its breaker like everybody's; tried again."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from apps.mail.resend import Ambiguous, Reply, SurelyNotSent, Throttled
from apps.mail.resend.trouble import reporting
from apps.queues.limiting import CallClass, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apps.mail.resend import ContactCalls
    from apps.mail.resend.contacts import MembersPage
    from apps.mail.sending import Door
    from apps.queues.breaking import Permit

T = TypeVar("T")

TRIES = 5
PAUSE_SECONDS = 1.0
SLOT_WAIT_MS = 2_000


class Asker:
    """Asks through an account's door, in the class of segments: mail is never held up by it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def ask(self, question: Callable[[ContactCalls], Reply[T]]) -> T:
        """The answer; what is no refusal is tried again. For calls that may be made twice.

        Raises the `ResendFailure` of the last try.
        """
        for left in reversed(range(TRIES)):
            try:
                reply = self._ask_once(question)
            except Throttled as failure:
                if not left:
                    raise
                self._door.limiter.freeze(failure.retry_after_s)
            except (Ambiguous, SurelyNotSent):
                if not left:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                self._door.limiter.observe(reply.rate.limit)
                return reply.value
        raise AssertionError("the last try raises")

    def member_pages(self, segment_id: str, *, after: str = "") -> Iterator[MembersPage]:
        """The members of a segment, those behind the contact `after`; no page is empty."""
        while True:
            page = self.ask(partial(_members, segment_id, after))
            if page.members:
                yield page
            if not page.has_more:
                return
            after = page.members[-1].id

    def _ask_once(self, question: Callable[[ContactCalls], Reply[T]]) -> Reply[T]:
        with self._admitted() as permit:
            self._await_slot()
            with reporting(permit):
                return question(self._door.client.contacts)

    def _admitted(self) -> Permit:
        while isinstance(answer := self._door.admit(), Held):
            time.sleep(min(answer.retry_in_s, PAUSE_SECONDS))  # another's probe may end sooner
        return answer

    def _await_slot(self) -> None:
        while True:
            slot = self._door.limiter.reserve(SLOT_WAIT_MS, call_class=CallClass.SEGMENT)
            if isinstance(slot, Held):
                time.sleep(slot.retry_in_s)
            elif slot.wait():
                return


def _members(segment_id: str, after: str, calls: ContactCalls) -> Reply[MembersPage]:
    return calls.members(segment_id, after=after)

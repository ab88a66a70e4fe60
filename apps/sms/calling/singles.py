"""One text by itself, for somebody who waits: replies to STOP and HELP, and test sends."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from django.conf import settings

from apps.queues.limiting import Held
from apps.sms.calling.doors import Door, door_of
from apps.sms.calling.standing import Standing
from apps.sms.lime import (
    CallNotes,
    Fate,
    Kind,
    Reply,
    Send,
    UnsendableError,
    Verdict,
    checked,
    judge_one,
)

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount
    from apps.queues.windows import Turns
    from apps.sms.lime import Exchange

LONGEST_WAIT_S = 5.0


def send_one(
    *,
    account: ProviderAccount,
    shortcode: str,
    phone: str,
    body: str,
    longest_wait_s: float = LONGEST_WAIT_S,
) -> Verdict:
    """Sends one text through the account's window and breaker, and says what became of it.

    `not_sent` with the reason `held` where no turn came within `longest_wait_s`. Whoever keeps a
    ledger commits its mark before, and settles by the verdict's kind; an ambiguous one must not be
    sent again. Not to be called while a pump of the same process and account runs.
    """
    try:
        send = checked(Send(phone, body))
    except UnsendableError as problem:
        return Verdict(Kind.REFUSED, problem.reason)
    door = door_of(account)
    standing = Standing(door.breaker, time.monotonic)
    try:
        turns = _turn(door, standing, time.monotonic() + longest_wait_s)
        if turns is None:
            return Verdict(Kind.NOT_SENT, "held")
        reply = _call(door, shortcode, send, turns)
        verdict = judge_one(reply)
        notes = CallNotes()
        notes.note("text", reply, verdict)
        notes.write()
        standing.note(verdict)
        if verdict.retry_after_s:
            door.window.freeze(verdict.retry_after_s)
        return verdict
    finally:
        standing.close()
        door.window.leave()


def _turn(door: Door, standing: Standing, until: float) -> Turns | None:
    while True:
        answer: object = standing.permit(flying=0)
        if not isinstance(answer, Held):
            turns = door.window.take(1, wanted=1)
            if not isinstance(turns, Held):
                return turns
            answer = turns
        if not isinstance(answer, Held) or time.monotonic() + answer.retry_in_s > until:
            return None
        time.sleep(answer.retry_in_s)


def _call(door: Door, shortcode: str, send: Send, turns: Turns) -> Reply:
    answers: SimpleQueue[Reply] = SimpleQueue()

    def done(_: Exchange, reply: Reply) -> None:
        answers.put(reply)

    exchange = door.client.text(shortcode, send, done=done)
    exchange.fires_at, exchange.leave_by = turns.fires_at(0), turns.leave_by(0)
    door.caller.start([exchange])
    try:
        return answers.get(timeout=settings.PROVIDER_TOTAL_SECONDS + LONGEST_WAIT_S)
    except Empty:  # the loop died: nobody can tell how far the request came
        return Reply(fate=Fate.DOUBTFUL, reason="lost")

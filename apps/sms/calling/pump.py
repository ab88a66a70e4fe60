"""Keeping the window of one account full: claim, take turns, mark, call, gather, settle.

One pump works in one thread of a process; the requests travel in the process's event loop. Chunks
own no seats: whatever is ready next takes those that are free, so that no chunk waits for its
slowest text while others could go (measured: four times as fast with a jittery provider).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from apps.queues import figures
from apps.queues.correlation import under_correlation_id
from apps.queues.database import is_database_away
from apps.queues.limiting import Held
from apps.queues.names import Queue
from apps.queues.retrying import backoff_seconds
from apps.queues.watchdog import progress
from apps.sms.calling.calls import calls_of, prepare
from apps.sms.calling.claiming import claim_chunk
from apps.sms.calling.doubts import UNREACHABLE
from apps.sms.calling.inbox import Inbox
from apps.sms.calling.recording import Mark, Outcome, record
from apps.sms.calling.standing import Standing
from apps.sms.lime import CallNotes, Kind
from apps.sms.models import SentText

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.sms.calling.calls import Call, Links
    from apps.sms.calling.claiming import Chunk
    from apps.sms.calling.doors import Door
    from apps.sms.lime import Exchange, Reply, Verdict

log = structlog.get_logger(__name__)

GROUP = 25
"""Texts marked by one statement: four of them for a chunk of 100."""
LARGEST_GROUP = 100
CALLS_OF_GROUP = 4
"""The same for calls of many texts."""
READY_AHEAD = 150
"""Calls to have ready where only seats are limited: answers need not wait for a claim then."""
ENOUGH_OUTCOMES = 34
"""Outcomes are written with the next marks; so many are written without waiting for those."""
RECORD_WITHIN_S = 2.0
IDLE_S = 0.2
"""How soon to look for new chunks again while answers are still to come."""
LONGEST_HOLD_S = 2.0
"""Held for longer, a pump gives back what it has and leaves."""
ATTEMPTS = 20
"""Tries of a chunk whose texts could not be sent at all: hours, by then."""


class Pump:
    """One turn of one account. `hold_s` afterwards: how long it is of no use to come back."""

    def __init__(
        self,
        door: Door,
        *,
        links: Links,
        on_account_refused: Callable[[str], None],
        on_chunk_ended: Callable[[Chunk], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._standing = Standing(door.breaker, clock)
        self._notes = CallNotes()
        self._links = links
        self._on_account_refused = on_account_refused
        self._on_chunk_ended = on_chunk_ended
        self._clock = clock
        self._inbox: Inbox[tuple[Call, Reply]] = Inbox()
        self._ready: deque[Call] = deque()
        self._flying = 0
        self._answered = 0
        self._outcomes: list[Outcome] = []
        self._ended: list[Chunk] = []
        self._oldest_at = 0.0
        self._closing = False
        self._claim_at = 0.0
        self._take_at = 0.0
        self.calls = 0
        self.hold_s = 0.0

    def run(self, *, ends_at: float) -> int:
        """Works until nothing is due, the account is held, or `ends_at`; returns calls made."""
        while True:
            if self._has_time():
                self._claim(READY_AHEAD)
            self._gather()
            self._closing = self._closing or self._clock() >= ends_at
            self._claim(GROUP)
            if self._closing:
                self._put_back_ready()
            group = self._next_group()
            if group or self._must_record():
                self._record_and_start(group)
            if self._is_over():
                return self.calls

    def close(self) -> None:
        """Gives seats and permits back; what is still on its way is in doubt from here on."""
        self._standing.close()
        self._door.window.leave()

    # --- Answers ------------------------------------------------------------------------------

    def _gather(self) -> None:
        """Takes what has been answered; waits for answers where nothing else is to be done."""
        for call, reply in self._inbox.take(wanted=self._needed(), wait_s=self._patience()):
            self._take_in(call, reply)

    def _needed(self) -> int:
        """So many answers must come before there is anything to do: seats for a group, mostly."""
        if self._closing or self._door.window.limits.is_paced:
            return 1
        if self._ready:
            needed = self._group_size() - self._door.window.free - self._answered
        else:
            needed = ENOUGH_OUTCOMES - len(self._outcomes)
        return max(1, min(needed, self._flying))

    def _patience(self) -> float:
        if not self._flying and not self._ready:
            return 0.0
        now = self._clock()
        until = now + IDLE_S
        if self._ready:
            until = min(until, self._take_at)
        elif not self._closing:
            until = min(until, self._claim_at)
        if self._outcomes:
            until = min(until, self._oldest_at + RECORD_WITHIN_S)
        return max(0.0, until - now)

    def _take_in(self, call: Call, reply: Reply) -> None:
        self._flying -= 1
        self._answered += 1
        if not self._door.window.limits.is_paced:
            self._take_at = 0.0  # there is a seat
        verdicts = call.verdicts(reply)
        self._notes.note(call.operation, reply, verdicts[0])
        self._standing.note(verdicts[0])
        self._react(verdicts[0])
        if call.is_check:
            self._note_check(call, verdicts[0])
        else:
            self._note(call.chunk, call.outcomes(verdicts), verdicts[0])

    def _note_check(self, call: Call, verdict: Verdict) -> None:
        """Texts of bulk calls wait until all numbers of their chunk have been asked about."""
        chunk = call.chunk
        chunk.unchecked -= 1
        if verdict.kind is Kind.ACCEPTED:
            chunk.checked += call.parts
        else:
            self._note(chunk, call.outcomes([verdict]), verdict)
        if chunk.checked and (not chunk.unchecked or not chunk.brand.is_bulk):
            self._ready.extend(calls_of(chunk, chunk.checked))
            chunk.checked = []

    def _react(self, verdict: Verdict) -> None:
        if verdict.kind is Kind.ACCOUNT:
            if not self._closing:
                self._on_account_refused(f"{verdict.reason}: {verdict.text}".rstrip(": "))
            self._closing = True
        elif verdict.retry_after_s:
            self._door.window.freeze(verdict.retry_after_s)

    def _note(self, chunk: Chunk, outcomes: list[Outcome], verdict: Verdict | None = None) -> None:
        if not self._outcomes:
            self._oldest_at = self._clock()
        for outcome in outcomes:
            self._outcomes.append(self._given_up(outcome, verdict))
            match self._outcomes[-1].state:
                case SentText.State.RESERVED:
                    self._send_back(chunk, verdict)
                case SentText.State.SENT:
                    chunk.sent += 1
                case SentText.State.UNKNOWN:
                    chunk.doubts += 1
                case SentText.State.FAILED:
                    chunk.unreachable += self._outcomes[-1].reason == UNREACHABLE
        chunk.left -= len(outcomes)
        if not chunk.left:
            self._ended.append(chunk)

    def _given_up(self, outcome: Outcome, verdict: Verdict | None) -> Outcome:
        spent = outcome.chunk.attempts + 1 >= ATTEMPTS
        if outcome.state is not SentText.State.RESERVED or not spent or not _costs(verdict):
            return outcome
        return Outcome(
            outcome.chunk, outcome.text_id, SentText.State.FAILED, UNREACHABLE, outcome.reason
        )

    @staticmethod
    def _send_back(chunk: Chunk, verdict: Verdict | None) -> None:
        chunk.back += 1
        if verdict is None:
            return
        if _costs(verdict):
            chunk.has_failed = True
            wait = backoff_seconds(
                attempt=chunk.attempts + 1,
                base=settings.RETRY_BASE_SECONDS,
                cap=settings.RETRY_CAP_SECONDS,
            )
            chunk.wait_s = max(chunk.wait_s, wait)
        chunk.wait_s = max(chunk.wait_s, verdict.retry_after_s)

    # --- New work -----------------------------------------------------------------------------

    def _has_time(self) -> bool:
        """Whether it would only wait now, for answers to calls of a text each."""
        if self._door.window.limits.is_paced or (self._ready and self._ready[0].is_bulk):
            return False
        return len(self._inbox) < self._needed() and self._patience() > 0

    def _claim(self, enough: int) -> None:
        """Another chunk, unless so many calls are ready: a whole group always is."""
        now = self._clock()
        if self._closing or now < self._claim_at or len(self._ready) >= enough:
            return
        chunk = claim_chunk(account_id=self._door.account_id)
        if chunk is None:
            self._claim_at = now + IDLE_S
            return
        if not chunk.left:
            self._ended.append(chunk)
            return
        calls, failed = prepare(chunk, self._links)
        self._ready.extend(calls)
        if failed:
            self._note(chunk, failed)

    def _put_back_ready(self) -> None:
        """What is not going to leave in this turn belongs to whoever comes next."""
        while self._ready:
            call = self._ready.popleft()
            if call.is_check:
                call.chunk.unchecked -= 1
                call.parts += call.chunk.checked
                call.chunk.checked = []
            call.chunk.wait_s = max(call.chunk.wait_s, self.hold_s)
            self._note(call.chunk, _back(call))

    def _next_group(self) -> list[tuple[Call, float, float]]:
        """Calls with their instants, each with a seat; none while the account is held."""
        now = self._clock()
        if not self._ready or now < self._take_at:
            return []
        number = self._group_size()
        permit = self._standing.permit(flying=self._flying)
        if isinstance(permit, Held):
            return self._hold(permit)
        if permit.is_probe:
            number = 1
        # Others get the seats of what was answered when that is written down, and not before: else
        # the sent log would show more texts on their way than the window holds.
        turns = self._door.window.take(number, wanted=self._wanted(), ended=self._answered)
        if isinstance(turns, Held):
            return self._hold(turns)
        self._answered = 0
        return [
            (self._ready.popleft(), turns.fires_at(place), turns.leave_by(place))
            for place in range(turns.number)
        ]

    def _group_size(self) -> int:
        if self._ready[0].is_bulk:
            most = CALLS_OF_GROUP
        else:
            free = self._door.window.free + self._answered
            most = min(max(GROUP, free), LARGEST_GROUP)
        return min(most, len(self._ready), self._door.window.limits.largest_share)

    def _wanted(self) -> int:
        has_more = not self._closing and self._clock() >= self._claim_at
        here = self._flying + len(self._ready)
        return self._door.window.limits.in_flight if has_more else here

    def _hold(self, held: Held) -> list[tuple[Call, float, float]]:
        self._take_at = self._clock() + held.retry_in_s
        if held.retry_in_s > LONGEST_HOLD_S and not self._flying:
            self.hold_s = held.retry_in_s
            self._closing = True
        return []

    # --- The sent log -------------------------------------------------------------------------

    def _must_record(self) -> bool:
        if not self._outcomes:
            return bool(self._ended)
        return (
            len(self._outcomes) >= ENOUGH_OUTCOMES
            or not self._flying
            or self._clock() - self._oldest_at >= RECORD_WITHIN_S
        )

    def _record_and_start(self, group: list[tuple[Call, float, float]]) -> None:
        outcomes, self._outcomes = self._outcomes, []
        ended, self._ended = self._ended, []
        marks = [
            Mark(call.chunk, part.text.id, number, part.segments)
            for number, (call, _, _) in enumerate(group)
            if not call.is_check
            for part in call.parts
        ]
        marked = self._write(outcomes, marks, ended)
        self._door.window.finish(self._answered)
        self._answered = 0
        self._start(group, marked)
        self._notes.write()
        progress.note()
        for chunk in ended:
            with under_correlation_id(chunk.correlation_id):
                log.info("chunk_ended", chunk=chunk.id, sent=chunk.sent, unknown=chunk.doubts,
                         back=chunk.back, attempts=chunk.attempts)  # fmt: skip
                self._on_chunk_ended(chunk)
        sent = sum(one.state is SentText.State.SENT for one in outcomes)
        if sent:
            figures.note_units(Queue.SMS, sent)

    def _write(self, outcomes: list[Outcome], marks: list[Mark], ended: list[Chunk]) -> set[int]:
        """Outcomes that are known must not get lost with a database that is away for a while."""
        gives_up_at = self._clock() + settings.BATCH_LEASE_SECONDS / 3
        while True:
            try:
                return record(outcomes, marks, ended)
            except DatabaseError as error:
                if not is_database_away(error) or self._clock() > gives_up_at:
                    raise
                log.warning("outcomes_wait_for_database", number=len(outcomes))
                connection.close()
                time.sleep(IDLE_S)

    def _start(self, group: list[tuple[Call, float, float]], marked: set[int]) -> None:
        """Calls whose every text is marked leave; the others are somebody else's, or paused.

        A question about a number needs no mark: nothing is sent by it.
        """
        exchanges = []
        for call, fires_at, leave_by in group:
            if call.is_check or all(part.text.id in marked for part in call.parts):
                exchange = call.exchange(self._door.client, self._deliver)
                exchange.fires_at, exchange.leave_by = fires_at, leave_by
                exchanges.append(exchange)
                continue
            self._door.window.finish(1)
            call.chunk.wait_s = max(call.chunk.wait_s, 1.0)
            self._note(call.chunk, _back(call))
        self._flying += len(exchanges)
        self.calls += len(exchanges)
        if exchanges:
            self._door.caller.start(exchanges)

    def _deliver(self, exchange: Exchange, reply: Reply) -> None:
        """Called in the loop's thread."""
        self._inbox.put((exchange.token, reply))

    # --- The end ------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if self._flying or self._ready or self._outcomes or self._ended:
            return False
        return self._closing or self._clock() < self._claim_at


def _back(call: Call) -> list[Outcome]:
    return [Outcome(call.chunk, part.text.id, SentText.State.RESERVED) for part in call.parts]


def _costs(verdict: Verdict | None) -> bool:
    """Whether it was a try that failed, and not one that was not made."""
    return (
        verdict is not None
        and verdict.kind is Kind.NOT_SENT
        and verdict.reason not in {"late", "throttled"}
    )

"""Working off stored events: page by page, each page one transaction that changes all or nothing.

Applying an event twice changes nothing the second time, and the order does not matter.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from apps.mail.events.machines import judge
from apps.mail.events.noting import note_bounces, note_clicks, note_opens
from apps.mail.events.reading import Report, WaitingEvent, concerns_mail, read
from apps.mail.events.standings import Rise, Target, lock_targets, raise_messages
from apps.mail.events.suppressing import Match, suppress_reported
from apps.mail.redriving import EVENT_SUBJECT
from apps.queues import dead_letters, figures
from apps.queues.names import Queue, TaskName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps.mail.events.standings import Name

    Outcomes = Mapping[WaitingEvent, "Outcome"]

log = structlog.get_logger(__name__)

PAGE_SIZE = 500
# Far below the task's time limit; the sweeper wakes the next one while events wait.
TURN_SECONDS = 30.0


class Outcome(StrEnum):
    """What became of an event.

    `other_mail`: it is about a second mail to the same recipient, one that our ledger does not
    know; it counts, and is reported. `held`: somebody else is writing the message; the event
    waits for the next page.
    """

    APPLIED = "applied"
    IGNORED = "ignored"
    UNMATCHED = "unmatched"
    OTHER_MAIL = "other_mail"
    ERROR = "error"
    HELD = "held"


COUNTED = frozenset({Outcome.APPLIED, Outcome.OTHER_MAIL})


@dataclass(frozen=True)
class Page:
    """`taken` events were looked at, and `finished` of them are done with."""

    taken: int
    finished: int


def apply_events(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Works off what waits, until nothing does or the turn is over; returns how many events."""
    ends_at = time.monotonic() + turn_seconds
    total = 0
    while True:
        page = apply_page()
        total += page.finished
        figures.note_units(Queue.EVENTS, page.finished)
        if page.taken < PAGE_SIZE or not page.finished or time.monotonic() > ends_at:
            return total


def apply_page() -> Page:
    """Applies the oldest waiting events that nobody else is at."""
    with transaction.atomic():
        events = _take()
        if not events:
            return Page(0, 0)
        outcomes = _apply_isolated(events)
        finished = {event: what for event, what in outcomes.items() if what is not Outcome.HELD}
        _finish(finished)
    log.info("events_applied", **Counter(str(outcome) for outcome in outcomes.values()))
    return Page(len(events), len(finished))


_TAKE = """
SELECT month, id, account_id, type, occurred_at, payload
  FROM mail_deliveryevent
 WHERE applied_at IS NULL
 ORDER BY id LIMIT %s
   FOR UPDATE SKIP LOCKED
"""


def _take() -> list[WaitingEvent]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [PAGE_SIZE])
        return [WaitingEvent(*row) for row in cursor.fetchall()]


_FINISH = """
UPDATE mail_deliveryevent event
   SET applied_at = statement_timestamp(), outcome = given.outcome
  FROM unnest(%(months)s::date[], %(ids)s::bigint[], %(outcomes)s::text[])
       AS given (month, id, outcome)
 WHERE event.month = given.month AND event.id = given.id
"""


def _finish(outcomes: Outcomes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _FINISH,
            {
                "months": [event.month for event in outcomes],
                "ids": [event.id for event in outcomes],
                "outcomes": [str(outcome) for outcome in outcomes.values()],
            },
        )


def _apply_isolated(events: Sequence[WaitingEvent]) -> Outcomes:
    """A fault of ours in one event must not hold up the others: then each is tried alone."""
    try:
        with transaction.atomic():
            return _apply(events)
    except (OperationalError, InterfaceError):
        raise  # the database is away or busy: no event's fault
    except Exception as error:  # noqa: BLE001 - whatever it is, the next lines find whose it is
        log.warning("events_page_failed", number=len(events), error=_where(error))
    outcomes: dict[WaitingEvent, Outcome] = {}
    for event in events:
        outcomes |= _apply_alone(event)
    return outcomes


def _apply_alone(event: WaitingEvent) -> Outcomes:
    try:
        with transaction.atomic():
            return _apply([event])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - kept as a dead letter, with the place it was raised
        dead_letters.record(
            queue=Queue.EVENTS,
            task=TaskName.APPLY_EVENTS,
            subject=EVENT_SUBJECT,
            subject_id=event.id,
            reason="event_not_applied",
            error=_where(error),
            attempts=1,
            payload={"event": event.id, "month": event.month.isoformat()},
        )
    return {event: Outcome.ERROR}


def _where(error: Exception) -> str:
    """Class and place, without the message: it may quote an address."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def _apply(events: Sequence[WaitingEvent]) -> Outcomes:
    reports = {event: read(event) for event in events if concerns_mail(event.type)}
    named = {event: _name(event, report) for event, report in reports.items() if report}
    targets = lock_targets(set(named.values()))
    outcomes: dict[WaitingEvent, Outcome] = {}
    matches: list[Match] = []
    for event in events:
        report, name = reports.get(event), named.get(event)
        target = targets.get(name) if name else None
        outcomes[event] = _outcome(event, report, target)
        if report and target and outcomes[event] in COUNTED:
            matches.append(Match(target, report))
    raise_messages(_rises(matches))
    suppress_reported(matches)
    note_clicks(matches)
    note_opens(matches)
    note_bounces(matches)
    judge(_visited(matches))
    return outcomes


def _visited(matches: Sequence[Match]) -> list[Target]:
    """Messages whose opens and clicks may be another thing now: one came, or the delivery did."""
    found = {
        match.target.id: match.target
        for match in matches
        if match.report.opened_at or match.report.clicked_at or match.report.delivered_at
    }
    return list(found.values())


def _name(event: WaitingEvent, report: Report) -> Name:
    return event.account_id, report.mailing_id, report.message_id


def _outcome(event: WaitingEvent, report: Report | None, target: Target | None) -> Outcome:
    if not concerns_mail(event.type):
        return Outcome.IGNORED
    if report is None or target is None:
        return Outcome.UNMATCHED
    if target.state is None:
        return Outcome.HELD
    if target.provider_id and report.provider_id not in {"", target.provider_id}:
        log.error("recipient_has_a_second_mail", message=target.id, event_id=event.id)
        return Outcome.OTHER_MAIL
    return Outcome.APPLIED


def _rises(matches: Sequence[Match]) -> list[Rise]:
    rises: dict[int, Rise] = {}
    for match in matches:
        rise = Rise.of(match.target, match.report)
        known = rises.get(match.target.id)
        rises[match.target.id] = known.with_(rise) if known else rise
    return list(rises.values())

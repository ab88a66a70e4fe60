"""What becomes of a mail after it was accepted, and how it is told in a webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apps.sandbox.draws import fraction
from apps.sandbox.resend.addresses import as_list, domain_of
from apps.sandbox.resend.settings import Outcome, Settings

if TYPE_CHECKING:
    from apps.sandbox.resend.mailbox import Email

TEST_DOMAIN = "resend.dev"
"""Mails to delivered@, bounced@, complained@ and suppressed@ here meet that fate."""

Step = tuple[float, str]
"""When an event happens, in Unix seconds, and its name without `email.`."""

_COURSES = {
    Outcome.DELIVERED: ("sent", "delivered"),
    Outcome.BOUNCED: ("sent", "bounced"),
    Outcome.COMPLAINED: ("sent", "delivered", "complained"),
    Outcome.OPENED: ("sent", "delivered", "opened"),
    Outcome.CLICKED: ("sent", "delivered", "opened", "clicked"),
    Outcome.SUPPRESSED: ("suppressed",),
}

# Whoever is quicker is taken for a machine, by those who receive the events.
_BY_PEOPLE = frozenset({"opened", "clicked"})


def timeline(email: Email, settings: Settings) -> list[Step]:
    """The events of a mail in order. The same seed and address always give the same course."""
    pause = settings.event_delay_ms / 1000
    steps = [(email.accepted_at, "scheduled")] if email.starts_at > email.accepted_at else []
    moment = email.starts_at
    for name in _course(email.address, settings):
        moment += pause + (settings.reading_seconds if name in _BY_PEOPLE else 0.0)
        steps.append((moment, name))
    return steps


def last_event(email: Email, settings: Settings, *, now: float) -> str:
    """The newest event at `now`; `queued` before the first."""
    happened = [name for moment, name in timeline(email, settings) if moment <= now]
    return happened[-1] if happened else "queued"


def _course(address: str, settings: Settings) -> tuple[str, ...]:
    if (ruled := _ruled(address, settings.outcomes)) is not None:
        return _COURSES[ruled]
    drawn = _drawn(address, settings)
    if Outcome.BOUNCED in drawn:
        return _COURSES[Outcome.BOUNCED]
    course = _COURSES[Outcome.DELIVERED]
    if Outcome.CLICKED in drawn:
        course = _COURSES[Outcome.CLICKED]
    elif Outcome.OPENED in drawn:
        course = _COURSES[Outcome.OPENED]
    return (*course, "complained") if Outcome.COMPLAINED in drawn else course


def _ruled(address: str, rules: dict[str, Outcome]) -> Outcome | None:
    domain = domain_of(address)
    if domain == TEST_DOMAIN:
        local = address.partition("@")[0].partition("+")[0].lower()
        return Outcome(local) if local in set(Outcome) else None
    while domain:
        if domain in rules:
            return rules[domain]
        domain = domain.partition(".")[2]
    return None


def _drawn(address: str, settings: Settings) -> set[Outcome]:
    return {
        outcome
        for outcome, rate in settings.event_rates.items()
        if fraction(settings.seed, outcome.value, address) < rate
    }


def payload(email: Email, step: Step) -> dict[str, Any]:
    """The body of the webhook for one step."""
    moment, name = step
    data: dict[str, Any] = {
        "email_id": email.id,
        "message_id": email.message_id,
        "created_at": webhook_time(email.accepted_at),
        "from": email.message["from"],
        "to": as_list(email.message["to"]),
        "subject": email.message["subject"],
    }
    if email.tags:
        data["tags"] = email.tags
    data |= _particulars(name, moment)
    return {"type": f"email.{name}", "created_at": webhook_time(moment), "data": data}


def _particulars(name: str, moment: float) -> dict[str, Any]:
    match name:
        case "bounced":
            return {
                "bounce": {
                    "type": "Permanent",
                    "subType": "General",
                    "message": "The recipient's mail server rejected the address for good.",
                    "diagnosticCode": ["smtp; 550 5.1.1 user unknown"],
                }
            }
        case "clicked":
            return {
                "click": {
                    "ipAddress": "192.0.2.1",
                    "link": "https://example.com/",
                    "timestamp": webhook_time(moment),
                    "userAgent": "Mozilla/5.0 (sandbox)",
                }
            }
        case "suppressed":
            return {
                "suppressed": {
                    "type": "OnAccountSuppressionList",
                    "message": "The address is on the account's suppression list.",
                }
            }
        case _:
            return {}


def webhook_time(epoch: float) -> str:
    """A timestamp as in webhooks: `2023-10-06T23:47:56.678Z`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

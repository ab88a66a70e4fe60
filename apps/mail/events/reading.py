"""What one event says about one mail, read defensively: nothing in `data` is promised.

Every event about a mail proves that the provider accepted it, so that is the least it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import orjson

from apps.contacts.models import SuppressionReason
from apps.mail.models import Message

if TYPE_CHECKING:
    from datetime import date, datetime

LARGEST_ID = 2**63 - 1
PROVIDER_ID_LIMIT = 64
PERMANENT = "Permanent"
_ID = re.compile(r"[0-9]{1,19}")


class Standing(IntEnum):
    """How far a mail has come. It only rises, so the order of events does not matter.

    The provider takes a mail (`accepted`) and then cannot, or will not, send it (`undelivered`:
    email.failed, email.suppressed). Our ledger still counts it as sent, because it must not be
    sent again by itself; that it never arrived is told here.
    """

    ACCEPTED = Message.Delivery.ACCEPTED
    DELAYED = Message.Delivery.DELAYED
    DELIVERED = Message.Delivery.DELIVERED
    UNDELIVERED = 35
    BOUNCED = Message.Delivery.BOUNCED
    COMPLAINED = Message.Delivery.COMPLAINED


STANDINGS = {
    "email.scheduled": Standing.ACCEPTED,
    "email.sent": Standing.ACCEPTED,
    "email.opened": Standing.ACCEPTED,
    "email.clicked": Standing.ACCEPTED,
    "email.delivery_delayed": Standing.DELAYED,
    "email.delivered": Standing.DELIVERED,
    "email.failed": Standing.UNDELIVERED,
    "email.suppressed": Standing.UNDELIVERED,
    "email.bounced": Standing.BOUNCED,
    "email.complained": Standing.COMPLAINED,
}
OPENED = "email.opened"
CLICKED = "email.clicked"
BOUNCED = "email.bounced"
DELIVERED = "email.delivered"
COMPLAINED = "email.complained"
# The length of a sensible address on the web; what is longer is a payload and no link of ours.
LONGEST_LINK = 4_000
WORD_LIMIT = 40
AGENT_LIMIT = 1_000


@dataclass(frozen=True)
class WaitingEvent:
    """A stored event that was not worked off yet."""

    month: date
    id: int
    account_id: int
    type: str
    occurred_at: datetime
    payload: str


@dataclass(frozen=True)
class BounceCause:
    """Why a mail came back, in the provider's words: "Permanent", "General"."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Report:
    """An event in our words. `mailing_id` and `message_id` are what the mail's tags say.

    `standing_at` is None where the event says nothing about when the standing was reached.
    `suppression` asks that the address get no more mail; `address` is where the mail went. `link`
    is what was clicked, as it stood in that one mail. `agent` and `ip` are those of who opened or
    clicked, empty where the event does not tell them.
    """

    mailing_id: int
    message_id: int
    provider_id: str
    standing: Standing
    standing_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    address: str
    suppression: SuppressionReason | None
    link: str = ""
    bounce: BounceCause | None = None
    agent: str = ""
    ip: str = ""

    @property
    def delivered_at(self) -> datetime | None:
        return self.standing_at if self.standing is Standing.DELIVERED else None


def concerns_mail(event_type: str) -> bool:
    """Whether events of this type say anything about a mail that we sent."""
    return event_type in STANDINGS


def read(event: WaitingEvent) -> Report | None:
    """The event's report; None where its tags are not those of a mail of ours."""
    data = _object(orjson.loads(event.payload).get("data"))
    tags = _object(data.get("tags"))
    mailing_id, message_id = _id(tags.get("mailing")), _id(tags.get("message"))
    if mailing_id is None or message_id is None:
        return None
    opened, clicked = event.type == OPENED, event.type == CLICKED
    # Clicks tell who it was; opens did not when this was written, and may.
    visit = _object(data.get("click" if clicked else "open"))
    return Report(
        mailing_id=mailing_id,
        message_id=message_id,
        provider_id=_provider_id(data.get("email_id")),
        standing=STANDINGS[event.type],
        standing_at=None if opened or clicked else event.occurred_at,
        opened_at=event.occurred_at if opened else None,
        clicked_at=event.occurred_at if clicked else None,
        address=_address(data.get("to")),
        suppression=_suppression(event.type, _object(data.get("bounce"))),
        link=_link(_object(data.get("click"))) if clicked else "",
        bounce=_bounce(_object(data.get("bounce"))) if event.type == BOUNCED else None,
        agent=_text(visit.get("userAgent")),
        ip=_text(visit.get("ipAddress")),
    )


def _suppression(event_type: str, bounce: dict[str, Any]) -> SuppressionReason | None:
    """Only a bounce that says Permanent is one: a full mailbox or a holiday reply is not."""
    if event_type == COMPLAINED:
        return SuppressionReason.COMPLAINT
    if event_type == BOUNCED and bounce.get("type") == PERMANENT:
        return SuppressionReason.HARD_BOUNCE
    return None


def _link(click: dict[str, Any]) -> str:
    value = click.get("link")
    if not isinstance(value, str) or len(value) > LONGEST_LINK:
        return ""
    return value if value.isprintable() else ""


def _bounce(bounce: dict[str, Any]) -> BounceCause:
    return BounceCause(_word(bounce.get("type")), _word(bounce.get("subType")))


def _word(value: Any) -> str:
    return value[:WORD_LIMIT] if isinstance(value, str) and value.isprintable() else ""


def _text(value: Any) -> str:
    return value[:AGENT_LIMIT] if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> int | None:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return None
    number = int(value)
    return number if number <= LARGEST_ID else None


def _provider_id(value: Any) -> str:
    usable = isinstance(value, str) and len(value) <= PROVIDER_ID_LIMIT and value.isprintable()
    return value if usable else ""


def _address(value: Any) -> str:
    """Ours go to one recipient each."""
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""

"""Which links of a mailing were clicked, by how many, however much the links differ by person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from django.db import connection

from apps.mail.reports.models import LINK_LIMIT

if TYPE_CHECKING:
    from datetime import datetime

    from apps.mail.models import Mailing

# What stands for a part that belongs to one person: a token, an address, an id of theirs.
PERSONAL = "…"
# A mailing with more links than this has links of each person's own that cannot be recognised.
LINKS_KEPT = 500
OTHER_LINKS = "(other links)"
NO_LINK = "(not told)"

# Letters and digits mixed, or no vowel pattern to speak of: long ones are made by machines.
_TOKEN = re.compile(r"(?=[A-Za-z_\-.=]*[0-9])[A-Za-z0-9_\-.=]{16,}|[A-Za-z0-9_-]{32,}")
_READABLE = re.compile(r"[a-z0-9]{1,15}([-_.][a-z0-9]{1,15})+(\.[a-z]{2,5})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS = re.compile(r"[^@/\s]+(@|%40)[^@/\s]+\.[^@/\s]+", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{7,}")


def normalise(url: str) -> str:
    """The link without what differs from person to person, so that all people's clicks add up.

    Parts of the path and values of the query that look like tokens, addresses or long numbers
    become an ellipsis; fragments go, and host and scheme are lower-cased. Never raises.
    """
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return NO_LINK
    if not parts.scheme:
        return NO_LINK
    if not host:  # mailto:, tel:
        return f"{parts.scheme}:{PERSONAL}"
    path = "/".join(PERSONAL if _is_personal(part) else part for part in parts.path.split("/"))
    return f"{parts.scheme}://{host}{path or '/'}{_query(parts)}"[:LINK_LIMIT]


def _query(parts: SplitResult) -> str:
    pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=None)
    kept = [
        f"{quote(name, safe='[]')}={PERSONAL if _is_personal(value) else quote(value, safe='')}"
        for name, value in pairs
    ]
    return "?" + "&".join(kept) if kept else ""


def _is_personal(part: str) -> bool:
    if _UUID.fullmatch(part):
        return True
    if _READABLE.fullmatch(part):  # spring-sale-2026, report.2026.pdf
        return False
    return any(pattern.fullmatch(part) for pattern in (_TOKEN, _ADDRESS, _NUMBER))


@dataclass(frozen=True)
class ClickedLink:
    """`clicks` counts every click, `people` each message once.

    `machines` are clicks of machines, which are in neither.
    """

    url: str
    clicks: int
    people: int
    machines: int = 0


# By link, so that the clicks' primary key is used and only this mailing's clicks are read.
_CLICKED = """
SELECT link.url, clicked.clicks, clicked.people, clicked.machines
  FROM mail_link link
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE machine = '') AS clicks,
              count(DISTINCT message_id) FILTER (WHERE machine = '') AS people,
              count(*) FILTER (WHERE machine <> '') AS machines
         FROM mail_click WHERE month = %(month)s AND link_id = link.id
       ) clicked
 WHERE link.mailing_id = %(mailing)s AND clicked.clicks + clicked.machines > 0
 ORDER BY clicked.people DESC, clicked.machines DESC, link.url LIMIT %(limit)s
"""


def links_clicked(mailing: Mailing, *, limit: int = 50) -> list[ClickedLink]:
    """The links that most people clicked; one query over the mailing's clicks."""
    with connection.cursor() as cursor:
        cursor.execute(_CLICKED, {"month": mailing.month, "mailing": mailing.pk, "limit": limit})
        return [ClickedLink(*row) for row in cursor.fetchall()]


_CLICKS_OF_MESSAGE = """
SELECT link.url, click.clicked_at, click.machine
  FROM mail_link link
  JOIN mail_click click ON click.month = %(month)s AND click.link_id = link.id
   AND click.message_id = %(message)s
 WHERE link.mailing_id = %(mailing)s
 ORDER BY click.clicked_at DESC LIMIT %(limit)s
"""


def clicks_of_message(
    mailing: Mailing, message_id: int, *, limit: int = 50
) -> list[tuple[str, datetime, str]]:
    """The newest clicks in one message: link, time, and which machine it was (empty: a person).

    One look-up per link of the mailing.
    """
    params: dict[str, Any] = {
        "month": mailing.month, "mailing": mailing.pk, "message": message_id, "limit": limit,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_CLICKS_OF_MESSAGE, params)
        return [(url, at, machine) for url, at, machine in cursor.fetchall()]

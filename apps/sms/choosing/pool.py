"""The messages of a brand that may be chosen at a moment, and the campaigns they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from apps.sms.choosing.allowing import running_sql
from apps.sms.choosing.hours import Hours

if TYPE_CHECKING:
    from datetime import datetime

# Each person's choice is a row of bits, one per message: a pool beyond this is a mistake.
MOST_MESSAGES = 2000

_POOL = f"""
SELECT message.id, message.campaign_id, message.weight, message.hours_from, message.hours_until,
       least(message.valid_until, campaign.ends_at), campaign.weekly_cap,
       campaign.total_cap - coalesce(tally.reserved, 0)
  FROM sms_textmessage message
  JOIN sms_textcampaign campaign ON campaign.id = message.campaign_id
  LEFT JOIN sms_campaigntally tally ON tally.campaign_id = campaign.id
 WHERE message.brand_id = %(brand)s AND {running_sql("message", "campaign", "%(at)s")}
   AND coalesce(campaign.total_cap > coalesce(tally.reserved, 0), true)
 ORDER BY message.id LIMIT {MOST_MESSAGES}
"""


@dataclass(frozen=True)
class Choice:
    """One message. `left` is how many texts its campaign's total cap still allows."""

    message_id: int
    campaign_id: int
    weight: float
    hours: Hours
    ends_at: datetime | None
    weekly_cap: int | None
    left: int | None

    @property
    def has_own_end(self) -> bool:
        """Whether it may end before the hours of the person do."""
        return self.ends_at is not None or self.hours != Hours()


def read_pool(*, brand_id: int, at: datetime) -> list[Choice]:
    """By id. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_POOL, {"brand": brand_id, "at": at})
        return [
            Choice(message, campaign, weight, Hours(begins, ends), ends_at, weekly_cap, left)
            for message, campaign, weight, begins, ends, ends_at, weekly_cap, left in (
                cursor.fetchall()
            )
        ]

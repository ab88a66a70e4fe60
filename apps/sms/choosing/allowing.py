"""Whether a reserved text may still go: asked by the statement that begins to send it.

Minutes may lie between the choice and the call. What a person or an operator did since then, and
the end of the person's hours, are looked at again; caps are not, for the reservation holds a place.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Why a reserved text no longer goes; the first makes it `expired`, the others `skipped`."""

    OUTSIDE_HOURS = "outside_hours"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    MESSAGE_STOPPED = "message_stopped"


def still_allowed_sql(text: str) -> str:
    """A SQL expression over `text`, an alias of sms_senttext: null, or a `Refusal`'s token.

    By indexes alone. `message_stopped`: the message or its campaign was paused, ended or has run
    out since.
    """
    return f"""
CASE
  WHEN {text}.until_at <= statement_timestamp() THEN '{Refusal.OUTSIDE_HOURS}'
  WHEN NOT EXISTS (
       SELECT 1 FROM sms_subscription subscription
         JOIN sms_subscriber subscriber ON subscriber.id = subscription.subscriber_id
        WHERE subscription.brand_id = {text}.brand_id
          AND subscription.subscriber_id = {text}.subscriber_id
          AND subscription.active AND subscriber.status = 'ACTIVE'
          AND subscriber.phone = {text}.phone) THEN '{Refusal.OPTED_OUT}'
  WHEN EXISTS ({suppression_sql(f"{text}.phone", f"{text}.brand_id")})
       THEN '{Refusal.SUPPRESSED}'
  WHEN NOT EXISTS (
       SELECT 1 FROM sms_textmessage message
         JOIN sms_textcampaign campaign ON campaign.id = message.campaign_id
        WHERE message.id = {text}.message_id
          AND {running_sql("message", "campaign", "statement_timestamp()")}
       ) THEN '{Refusal.MESSAGE_STOPPED}'
END"""


def suppression_sql(phone: str, brand: str) -> str:
    """A query that finds the active suppressions of a number for a brand."""
    return (
        "SELECT 1 FROM sms_phonesuppression suppression"
        f" WHERE suppression.phone = {phone} AND suppression.lifted_at IS NULL"
        f" AND (suppression.brand_id IS NULL OR suppression.brand_id = {brand})"
    )


def running_sql(message: str, campaign: str, at: str) -> str:
    """A SQL condition: the message may be chosen at `at`, as far as hours do not matter."""
    return (
        f"{message}.active AND {campaign}.state = 'running'"
        f" AND coalesce({message}.valid_from <= {at}, true)"
        f" AND coalesce({message}.valid_until > {at}, true)"
        f" AND coalesce({campaign}.starts_at <= {at}, true)"
        f" AND coalesce({campaign}.ends_at > {at}, true)"
    )

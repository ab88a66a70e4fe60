"""Whether a reserved text may still be sent: asked again by the very statement that claims it."""

from __future__ import annotations

REFUSAL = """
CASE
    WHEN subscriber.id IS NULL OR message.id IS NULL OR campaign.id IS NULL THEN 'gone'
    WHEN text.until_at <= statement_timestamp() THEN 'hours_over'
    WHEN subscriber.status <> 'ACTIVE' THEN 'opted_out'
    WHEN subscription.active IS NOT TRUE THEN 'not_subscribed'
    WHEN EXISTS (SELECT 1 FROM sms_phonesuppression suppression
                  WHERE suppression.phone = text.phone AND suppression.lifted_at IS NULL
                    AND (suppression.brand_id IS NULL OR suppression.brand_id = text.brand_id))
        THEN 'suppressed'
    WHEN campaign.state <> 'running' OR campaign.ends_at <= statement_timestamp()
        THEN 'campaign_not_running'
    WHEN NOT message.active OR message.valid_until <= statement_timestamp()
        THEN 'message_not_valid'
END
"""
"""SQL: why a text must not be sent any more; null where it may.

Over `text` (sms_senttext) and `subscriber`, `subscription`, `message`, `campaign`, each left-joined.
What cannot be evaluated refuses. A paused brand is not asked here: its chunks are not claimed.
"""

"""What an endpoint can ask to be told."""

from __future__ import annotations

from django.db import models


class EventType(models.TextChoices):
    """`subject.what_happened`; docs/webhooks.md says what each one carries."""

    CAMPAIGN_LAUNCHED = "campaign.launched", "campaign launched"
    CAMPAIGN_PAUSED = "campaign.paused", "campaign paused"
    CAMPAIGN_RESUMED = "campaign.resumed", "campaign resumed"
    CAMPAIGN_COMPLETED = "campaign.completed", "campaign completed"
    CAMPAIGN_CANCELLED = "campaign.cancelled", "campaign cancelled"
    CAMPAIGN_MISSED = "campaign.missed", "campaign missed its latest start"
    MESSAGE_SENT = "message.sent", "message sent"
    MESSAGE_FAILED = "message.failed", "message failed"
    MESSAGE_SKIPPED = "message.skipped", "message skipped"
    MESSAGE_UNKNOWN = "message.unknown", "message in doubt"
    MESSAGE_DELIVERED = "message.delivered", "message delivered"
    MESSAGE_BOUNCED = "message.bounced", "message bounced"
    MESSAGE_COMPLAINED = "message.complained", "message reported as spam"
    MESSAGE_OPENED = "message.opened", "message opened"
    MESSAGE_CLICKED = "message.clicked", "link clicked"
    CONTACT_UNSUBSCRIBED = "contact.unsubscribed", "contact unsubscribed"


# Asked for by nobody: sent to one endpoint when somebody tries it out.
PING = "ping"

"""How many texts a person has had today: what the minute's run looks at before it opens the log.

The log itself is the truth, and whoever is chosen is counted there once more. See docs/adr/0023.
"""

from __future__ import annotations

from django.db import models

from apps.sms.models.campaign import TextCampaign
from apps.sms.models.subscriber import Subscriber


class TextTally(models.Model):
    """`texts` that count on `day`, the newest local day with a text; `last_at` is the newest's.

    Written by the minute's run alone, which folds in what `TextTallyChange` tells.
    """

    subscriber = models.OneToOneField(
        Subscriber, on_delete=models.CASCADE, primary_key=True, related_name="tally"
    )
    day = models.DateField()
    texts = models.IntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.texts} texts on {self.day}"


class TextTallyChange(models.Model):
    """A text began or ceased to count after it was reserved; a trigger of the log writes these.

    Folded in by the next run: settling never waits for a row that a run holds.
    """

    subscriber_id = models.BigIntegerField()
    local_day = models.DateField()
    change = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"{self.change:+d} on {self.local_day}"


class CampaignTally(models.Model):
    """How many texts of a campaign were ever reserved; apart from it, for operators edit that."""

    campaign = models.OneToOneField(
        TextCampaign, on_delete=models.CASCADE, primary_key=True, related_name="tally"
    )
    reserved = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.reserved} texts of campaign {self.pk}"

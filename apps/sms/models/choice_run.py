"""What each minute's run chose, and why it left out the rest."""

from __future__ import annotations

from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from apps.brands.models import Brand


class ChoiceRun(models.Model):
    """One brand, one minute.

    `looked_at` people in the order of their ids, until `chosen` were as many as one run may choose;
    `reasons` counts the others by the first rule that speaks against them. `cursor` is the last one
    looked at: the next run begins behind it, so that nobody waits for ever; 0: all were looked at.
    `stopped_by` tells why nobody was looked at. `seed` makes the choice of messages reproducible.
    """

    class StoppedBy(models.TextChoices):
        NOTHING = "", "nothing"
        SENDING_OFF = "sending_off", "sending is off"
        DAILY_CAP = "daily_cap", "the daily cap is reached"
        NO_MESSAGES = "no_messages", "no message is valid now"

    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, related_name="choice_runs", db_index=False
    )
    minute = models.DateTimeField()
    looked_at = models.PositiveIntegerField(db_default=0)
    chosen = models.PositiveIntegerField(db_default=0)
    reserved = models.PositiveIntegerField(db_default=0)
    stopped_by = models.CharField(max_length=11, choices=StoppedBy, blank=True, db_default="")
    dry_run = models.BooleanField(db_default=False)
    reasons = models.JSONField(default=dict, db_default=Value({}, output_field=models.JSONField()))
    cursor = models.BigIntegerField(db_default=0)
    seed = models.BigIntegerField(db_default=0)
    duration_ms = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also what keeps a run that was repeated from choosing twice in a minute.
            models.UniqueConstraint(name="choice_run_once_a_minute", fields=["brand", "minute"]),
        ]
        indexes = [models.Index(fields=["minute"], name="choice_run_by_minute")]

    def __str__(self) -> str:
        return f"brand {self.brand_id} at {self.minute:%Y-%m-%d %H:%M}"

"""What each minute's run chose, and why it left out the rest."""

from __future__ import annotations

from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from apps.brands.models import Brand


class ChoiceRun(models.Model):
    """One brand, one minute. `reasons` counts by reason those who get nothing, people each once.

    `cursor` is the last subscriber that was looked at: the next run begins behind it, so that
    nobody waits for ever where more are eligible than one run may choose. `seed` makes the choice
    of messages reproducible.
    """

    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, related_name="choice_runs", db_index=False
    )
    minute = models.DateTimeField()
    chosen = models.PositiveIntegerField(db_default=0)
    reserved = models.PositiveIntegerField(db_default=0)
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

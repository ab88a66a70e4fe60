"""What digests and sequences did each time they ran."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.brands.models import Brand


class RunRecord(models.Model):
    """One run: its name, what it was asked (ids and limits, never addresses), and what came.

    `row_count` is in the unit of the run: articles read, steps due. Partitioned by `month`.
    """

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        EMPTY = "empty", "nothing found"
        FAILED = "failed", "failed"

    month = models.DateField()
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    name = models.CharField(max_length=60)
    arguments = models.JSONField(default=dict)
    row_count = models.PositiveIntegerField(default=0)
    duration_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "newsletter_runrecord"

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"

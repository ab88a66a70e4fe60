"""Who would get a campaign and who not, worked out without sending anything."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.campaigns.models.campaign import Campaign


class DryRun(models.Model):
    """One run and its counts; its rows lie in an unlogged table of its own, `rows_table`.

    `audience`, `frozen_references` and `until` say who was meant when it began: the rows are those
    that a launch at that moment would have planned. Keys and retention: docs/adr/0012.
    """

    class State(models.TextChoices):
        RUNNING = "running", "running"
        COMPLETED = "completed", "completed"
        CANCELLED = "cancelled", "cancelled"
        LOST = "lost", "lost in a crash of the database"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="dry_runs")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    fingerprint = models.CharField(max_length=64)
    audience = models.JSONField()
    frozen_references = models.JSONField()
    since = models.BigIntegerField(help_text="The id before the brand's first contact.")
    cursor = models.BigIntegerField()
    until = models.BigIntegerField()
    would_get = models.BigIntegerField(default=0)
    skipped = models.JSONField(default=dict, help_text="Number by reason")
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="dry_run_finished_unless_running",
                condition=Q(state="running", finished_at__isnull=True)
                | Q(state__in=("completed", "cancelled", "lost"), finished_at__isnull=False),
            ),
            models.UniqueConstraint(
                name="dry_run_one_running", fields=["campaign"], condition=Q(state="running")
            ),
        ]
        indexes = [
            models.Index(fields=["moved_at"], name="dry_run_open", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"dry run {self.pk} of campaign {self.campaign_id}: {self.state}"

    @property
    def rows_table(self) -> str:
        return f"campaigns_dry_run_rows_{self.pk}"

    @property
    def looked_at(self) -> int:
        """How many people of the audience were looked at so far."""
        return self.would_get + sum(map(int, self.skipped.values()))

"""A pool of messages per campaign; the minute's run picks from the running ones."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.brands.models import Brand


class TextCampaign(models.Model):
    """What belongs together under one weekly cap.

    `weekly_cap` counts the campaign's texts to one person in any seven of their days in a row;
    `total_cap` all that were ever reserved, for everybody (`CampaignTally`).
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        ENDED = "ended", "ended"

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="text_campaigns")
    name = models.CharField(max_length=200)
    state = models.CharField(
        max_length=7, choices=State, default=State.DRAFT, db_default=State.DRAFT
    )
    weekly_cap = models.PositiveIntegerField(
        null=True, blank=True, help_text="To one person in seven days; empty: no cap."
    )
    total_cap = models.PositiveIntegerField(
        null=True, blank=True, help_text="To everybody together; empty: no cap."
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="text_campaign_once", fields=["brand", "name"]),
            models.CheckConstraint(
                name="text_campaign_state_known",
                condition=Q(state__in=["draft", "running", "paused", "ended"]),
            ),
            models.CheckConstraint(
                name="text_campaign_ends_after_start",
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(starts_at__lt=F("ends_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TextMessage(models.Model):
    """One text of a campaign's pool, in Liquid. A heavier one is chosen more often.

    `brand` is the campaign's; the database holds the two together.
    """

    campaign = models.ForeignKey(TextCampaign, on_delete=models.PROTECT, related_name="messages")
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="text_messages")
    name = models.CharField(max_length=100, blank=True, db_default="")
    body = models.TextField(max_length=1600)
    weight = models.FloatField(
        default=1.0,
        db_default=1.0,
        validators=[MinValueValidator(0.001), MaxValueValidator(1_000_000)],
    )
    active = models.BooleanField(default=True, db_default=True)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    hours_from = models.TimeField(null=True, blank=True, help_text="The person's local time.")
    hours_until = models.TimeField(null=True, blank=True, help_text="The last moment excluded.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="text_message_weight_bounds",
                condition=Q(weight__gte=0.001, weight__lte=1_000_000),
            ),
            models.CheckConstraint(name="text_message_has_body", condition=~Q(body="")),
            models.CheckConstraint(
                name="text_message_validity_in_order",
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_from__lt=F("valid_until")),
            ),
            models.CheckConstraint(
                name="text_message_hours_in_order",
                condition=Q(hours_from__isnull=True)
                | Q(hours_until__isnull=True)
                | Q(hours_from__lt=F("hours_until")),
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"message {self.pk}"

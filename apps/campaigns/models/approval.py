"""A second person's word on a campaign."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.campaigns.models.campaign import Campaign


class Approval(models.Model):
    """Asked for by one person, decided by another; kept as a record.

    It holds for the campaign as its `fingerprint` has it: an edit changes that, and so withdraws
    what was approved.
    """

    class Decision(models.TextChoices):
        OPEN = "open", "waits for a decision"
        APPROVED = "approved", "approved"
        DECLINED = "declined", "declined"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="approvals")
    fingerprint = models.CharField(max_length=64)
    decision = models.CharField(max_length=8, choices=Decision, default=Decision.OPEN)
    requested_at = models.DateTimeField(db_default=Now())
    requested_by = models.CharField(max_length=150)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True, db_default="")
    note = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="approval_decided_all_or_nothing",
                condition=Q(decision="open", decided_at__isnull=True, decided_by="")
                | Q(decision__in=("approved", "declined"), decided_at__isnull=False)
                & ~Q(decided_by=""),
            ),
            models.CheckConstraint(
                name="approval_by_a_second_person",
                condition=~Q(decision="approved") | ~Q(decided_by=F("requested_by")),
            ),
            models.UniqueConstraint(
                name="approval_open_once", fields=["campaign"], condition=Q(decision="open")
            ),
        ]

    def __str__(self) -> str:
        return f"approval of campaign {self.campaign_id}: {self.decision}"

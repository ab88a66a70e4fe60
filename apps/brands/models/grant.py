"""What an operator may do, brand by brand."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models.brand import Brand


class Right(models.TextChoices):
    """Held per brand. Whoever holds any of them on a brand may also view it."""

    VIEW = "view", "see everything of the brand"
    EDIT = "edit", "edit contacts, templates and drafts"
    LAUNCH = "launch", "launch, pause, resume and cancel campaigns"
    APPROVE = "approve", "approve campaigns of others"
    EXPORT = "export", "download personal data"
    ERASE = "erase", "erase people"
    REDRIVE = "redrive", "drive failed work again"
    ADMINISTER = "administer", "grant rights, make API keys, change senders"


class Grant(models.Model):
    """One right of one operator on one brand; superusers need none."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="grants",
        db_index=False,  # the unique constraint begins with it
    )
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="grants")
    right = models.CharField(max_length=12, choices=Right)
    granted_at = models.DateTimeField(db_default=Now(), editable=False)
    granted_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="grant_once", fields=["user", "brand", "right"]),
            models.CheckConstraint(name="grant_right_known", condition=Q(right__in=Right.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user} may {self.right} on {self.brand}"

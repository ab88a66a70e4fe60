"""A provider account."""

from __future__ import annotations

import secrets

from django.core.validators import MinLengthValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.secrets import EncryptedTextField


def make_webhook_token() -> str:
    """An unguessable part of the path at which one account's webhooks arrive."""
    return secrets.token_urlsafe(24)


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def active(self) -> ProviderAccountQuerySet:
        return self.filter(stopped_at__isnull=True)


class ProviderAccount(models.Model):
    """An account (a team, in Resend's words) at a provider: one rate limit, one budget.

    Several brands may share one; then they share its limiter too.
    """

    class Kind(models.TextChoices):
        RESEND = "resend", "Resend"
        LIME = "lime", "Lime Cellular"

    kind = models.CharField(max_length=20, choices=Kind, default=Kind.RESEND)
    name = models.CharField(max_length=60, unique=True)
    username = models.CharField(
        max_length=100,
        blank=True,
        db_default="",
        help_text="The user's name at Lime, whose API id is the key. Resend has none.",
    )
    api_key = EncryptedTextField(validators=[MinLengthValidator(3)])
    webhook_token = models.CharField(
        max_length=64,
        unique=True,
        default=make_webhook_token,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]{16,64}$")],
    )
    webhook_secret = EncryptedTextField(blank=True)
    previous_webhook_secret = EncryptedTextField(
        blank=True, help_text="Stays valid while the secret is being changed."
    )
    rate_limit = models.FloatField(
        default=2.0, help_text="Requests per second, as the provider last announced it."
    )
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="provider_account_rate_limit_positive", condition=Q(rate_limit__gt=0)
            ),
            models.CheckConstraint(
                name="provider_account_stopped_both_or_neither",
                condition=Q(stopped_at__isnull=True, stopped_reason="")
                | (Q(stopped_at__isnull=False) & ~Q(stopped_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

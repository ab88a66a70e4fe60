"""Brand, provider account, sender."""

from __future__ import annotations

import secrets
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.secrets import EncryptedTextField


def make_webhook_token() -> str:
    """An unguessable part of the path at which one account's webhooks arrive."""
    return secrets.token_urlsafe(24)


def check_timezone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError("Not a time zone of the IANA list, such as Europe/Berlin.")


class Brand(models.Model):
    """Somebody in whose name mail and texts go out; contacts and rights belong to one brand."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    postal_address = models.TextField(
        blank=True, help_text="Shown in every commercial mail; none is launched without it."
    )
    website = models.URLField(blank=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_timezone])
    locale = models.CharField(max_length=16, default="en")
    transactional_after_complaint = models.BooleanField(
        default=True,
        help_text="Whether receipts and the like still go to people who complained of bulk mail.",
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def active(self) -> ProviderAccountQuerySet:
        return self.filter(stopped_at__isnull=True)


class ProviderAccount(models.Model):
    """An account (a team, in Resend's words) at a mail provider: one rate limit, one budget.

    Several brands may share one; then they share its limiter too.
    """

    class Kind(models.TextChoices):
        RESEND = "resend", "Resend"

    kind = models.CharField(max_length=20, choices=Kind, default=Kind.RESEND)
    name = models.CharField(max_length=60, unique=True)
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


class Sender(models.Model):
    """A From address of a brand and the account that may send for it."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="senders")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="senders")
    name = models.CharField(max_length=100)
    email = models.EmailField()
    reply_to = models.EmailField(blank=True)
    is_default = models.BooleanField(default=False)
    verified_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider last listed the domain as verified."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="sender_one_default_per_brand",
                fields=["brand"],
                condition=Q(is_default=True),
            ),
            models.UniqueConstraint(name="sender_once_per_brand", fields=["brand", "email"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2].lower()

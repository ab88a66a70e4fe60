"""A person known by phone, and what each brand may send them."""

from __future__ import annotations

from typing import TypedDict

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Now

from apps.brands.models import Brand

PHONE_FORM = r"^\+[1-9][0-9]{6,14}$"
"""E.164, with the plus."""
STATE_FORM = r"^[A-Z]{2}$"


class _Money(TypedDict):
    max_digits: int
    decimal_places: int


MONEY: _Money = {"max_digits": 14, "decimal_places": 2}


def _empty_object() -> Value:
    return Value({}, output_field=models.JSONField())


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def active(self) -> SubscriberQuerySet:
        return self.filter(status=Subscriber.Status.ACTIVE)


class Subscriber(models.Model):
    """One phone number. Brands it belongs to are `Subscription` rows.

    `timezone` is one IANA name, or several with commas between them where the number leaves it
    open: then only the hours allowed in all of them count, and the first tells the person's day.
    It is derived once, at sync or by the backfill; sending never parses a number. `baseline_*` came
    from a caller or an import, `total_*` are counted from events; what a person reads is their sum.
    """

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", "active"
        OPTOUT = "OPTOUT", "opted out"

    class ZoneSource(models.TextChoices):
        GIVEN = "given", "given by a caller"
        NUMBER = "number", "from the number"
        BRAND = "brand", "the brand's default"

    phone = models.CharField(max_length=16, db_collation="C")
    name = models.CharField(max_length=200, blank=True, db_default="")
    first_name = models.CharField(max_length=100, blank=True, db_default="")
    last_name = models.CharField(max_length=100, blank=True, db_default="")
    email = models.CharField(  # noqa: DJ001 - null means that none is known, and is not indexed
        max_length=320, null=True, blank=True, db_collation="C", help_text="In lower case."
    )
    status = models.CharField(
        max_length=6, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE
    )
    opted_in_at = models.DateTimeField(null=True, blank=True)
    opt_in_source = models.CharField(max_length=100, blank=True, db_default="")
    opt_in_proof = models.CharField(max_length=500, blank=True, db_default="")
    opted_out_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(
        null=True, blank=True, help_text="The last list sync that saw the number on a list."
    )
    timezone = models.CharField(max_length=200, blank=True, db_default="", db_collation="C")
    state = models.CharField(
        max_length=2, blank=True, db_default="", db_collation="C", help_text="Of the US."
    )
    zone_source = models.CharField(max_length=6, choices=ZoneSource, blank=True, db_default="")
    has_clicked = models.BooleanField(default=False, db_default=False)
    has_purchased = models.BooleanField(default=False, db_default=False)
    first_click_at = models.DateTimeField(null=True, blank=True)
    first_purchase_at = models.DateTimeField(null=True, blank=True)
    last_purchase_at = models.DateTimeField(null=True, blank=True)
    last_engagement = models.DateTimeField(null=True, blank=True)
    baseline_clicks = models.PositiveIntegerField(default=0, db_default=0)
    baseline_purchases = models.PositiveIntegerField(default=0, db_default=0)
    baseline_revenue = models.DecimalField(**MONEY, default=0, db_default=0)
    total_clicks = models.PositiveIntegerField(default=0, db_default=0)
    total_purchases = models.PositiveIntegerField(default=0, db_default=0)
    total_revenue = models.DecimalField(**MONEY, default=0, db_default=0)
    acq_source = models.CharField(max_length=200, blank=True, db_default="")
    acq_campaign = models.CharField(max_length=200, blank=True, db_default="")
    acq_medium = models.CharField(max_length=200, blank=True, db_default="")
    acq_term = models.CharField(max_length=200, blank=True, db_default="")
    acq_content = models.CharField(max_length=200, blank=True, db_default="")
    first_touch = models.JSONField(default=dict, blank=True, db_default=_empty_object())
    last_touch = models.JSONField(default=dict, blank=True, db_default=_empty_object())
    form_title = models.CharField(max_length=200, blank=True, db_default="")
    traits = models.JSONField(default=dict, blank=True, db_default=_empty_object())
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="subscriber_phone_once", fields=["phone"]),
            models.CheckConstraint(
                name="subscriber_phone_is_e164", condition=Q(phone__regex=PHONE_FORM)
            ),
            models.CheckConstraint(
                name="subscriber_status_known", condition=Q(status__in=["ACTIVE", "OPTOUT"])
            ),
            models.CheckConstraint(
                name="subscriber_state_form", condition=Q(state="") | Q(state__regex=STATE_FORM)
            ),
            models.CheckConstraint(
                name="subscriber_email_in_lower_case",
                condition=Q(email__isnull=True) | (Q(email=Lower(F("email"))) & ~Q(email="")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["email"],
                name="subscriber_by_email",
                condition=Q(email__isnull=False),
            ),
            # Counts by status and zone; `state` makes it answer "which pairs are there?" alone.
            models.Index(
                fields=["status", "timezone", "state"], name="subscriber_by_status_and_zone"
            ),
        ]

    def __str__(self) -> str:
        return f"subscriber {self.pk}"


class Subscription(models.Model):
    """One brand's permission to text one subscriber.

    `verified_at` is the last list sync of this brand that saw the opt-in; with
    `verify_max_age_hours` set, an older one is no permission.
    """

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, related_name="subscriptions", db_index=False
    )
    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="text_subscriptions", db_index=False
    )
    active = models.BooleanField(default=True, db_default=True)
    opted_in_at = models.DateTimeField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=100, blank=True, db_default="")
    proof = models.CharField(max_length=500, blank=True, db_default="")
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="subscription_once_per_brand", fields=["brand", "subscriber"]
            ),
            models.CheckConstraint(
                name="subscription_left_when_inactive",
                condition=Q(active=True, opted_out_at__isnull=True)
                | Q(active=False, opted_out_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["subscriber"], name="subscription_of_subscriber")]

    def __str__(self) -> str:
        return f"subscription {self.pk} of subscriber {self.subscriber_id}"

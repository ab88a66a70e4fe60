"""A person of a brand who can be reached by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Collate, Lower, Now
from django.db.models.lookups import Exact

from apps.contacts.addresses import ADDRESS_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection

NAME_LIMIT = 150
LOCALE_LIMIT = 35  # the longest language tag that RFC 5646 asks software to keep
TIMEZONE_LIMIT = 64
TIER_LIMIT = 40
# Printable ASCII around one @: what `addresses.normalise` yields, whatever else may write here.
ADDRESS_PATTERN = r"^[!-?A-~]+@[!-?A-~]+$"


def address_form(field: str = "address") -> Q:
    """The condition that `field` holds a look-up address: lower case, plain, one @."""
    return Q(**{field: Lower(field), f"{field}__regex": ADDRESS_PATTERN})


def _folded(field: str) -> Collate:
    # Compared by bytes, so that the index also knows beginnings.
    return Collate(Lower(field), "C")


class ContactStatus(models.TextChoices):
    PENDING = "pending", "waits for confirmation"
    SUBSCRIBED = "subscribed", "subscribed"
    UNSUBSCRIBED = "unsubscribed", "unsubscribed"


class ContactQuerySet(models.QuerySet["Contact"]):
    def of_brand(self, brand_id: int) -> ContactQuerySet:
        return self.filter(brand_id=brand_id)

    def with_addresses(self, addresses: Collection[str]) -> ContactQuerySet:
        """By look-up address (see `addresses.normalise`), not by what people typed."""
        return self.filter(address__in=addresses)

    def page(self, *, brand_id: int, after_id: int, size: int) -> ContactQuerySet:
        """The next `size` contacts of a brand by id: pages stay equally cheap to the end."""
        return self.filter(brand_id=brand_id, pk__gt=after_id).order_by("pk")[:size]


class Contact(models.Model):
    """`email` is shown, `address` is looked up and sent to (see `addresses.Address`).

    `erased_at` marks a person whose address stands as erased in the suppressions: nothing is sent
    until the row itself is gone. Commercial mail rests until `paused_until`, as the person asked,
    and comes back by itself.
    """

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="contacts", db_index=False
    )
    email = models.CharField(max_length=ADDRESS_LIMIT)
    # Look-ups compare bytes: no locale's rules, and a much cheaper index.
    address = models.CharField(max_length=ADDRESS_LIMIT, db_collation="C")
    first_name = models.CharField(max_length=NAME_LIMIT, blank=True, db_default="")
    last_name = models.CharField(max_length=NAME_LIMIT, blank=True, db_default="")
    locale = models.CharField(max_length=LOCALE_LIMIT, blank=True, db_default="")
    timezone = models.CharField(max_length=TIMEZONE_LIMIT, blank=True, db_default="")
    traits = models.JSONField(
        default=dict, blank=True, db_default=Value({}, output_field=models.JSONField())
    )
    status = models.CharField(max_length=12, choices=ContactStatus)
    status_changed_at = models.DateTimeField(db_default=Now())
    # Written by rooms above, which decide what engagement is worth; see docs/adr/0019.
    score = models.SmallIntegerField(db_default=0)
    tier = models.CharField(max_length=TIER_LIMIT, blank=True, db_default="")
    paused_until = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["brand", "address"], name="contact_once_per_brand"),
            models.CheckConstraint(condition=address_form(), name="contact_address_form"),
            models.CheckConstraint(
                condition=Q(status__in=ContactStatus.values), name="contact_status_known"
            ),
            models.CheckConstraint(
                condition=Exact(
                    Func("traits", function="jsonb_typeof", output_field=models.TextField()),
                    Value("object"),
                ),
                name="contact_traits_are_object",
            ),
        ]
        indexes = [
            models.Index(fields=["brand", "id"], name="contact_brand_page"),
            models.Index(fields=["brand", "status", "id"], name="contact_brand_status"),
            # For `searching`: beginnings of names, whatever their case.
            models.Index(
                "brand", _folded("first_name"), _folded("last_name"), name="contact_first_last"
            ),
            models.Index(
                "brand", _folded("last_name"), _folded("first_name"), name="contact_last_first"
            ),
            models.Index(
                fields=["erased_at"], name="contact_erased", condition=Q(erased_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"contact {self.pk}"

"""Addresses that must not be mailed, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.contacts.addresses import ADDRESS_LIMIT
from apps.contacts.models.contact import address_form

if TYPE_CHECKING:
    from collections.abc import Collection


class SuppressionReason(models.TextChoices):
    HARD_BOUNCE = "hard_bounce", "the address does not exist"
    COMPLAINT = "complaint", "reported a mail as spam"
    ERASED = "erased", "had all traces removed"
    BLOCKED = "blocked", "blocked by hand"


class SuppressionOrigin(models.TextChoices):
    PROVIDER = "provider", "an event of the email provider"
    OPERATOR = "operator", "an operator"
    PERSON = "person", "the person"
    IMPORT = "import", "a file"


ACTIVE = Q(lifted_at__isnull=True)
LIFTED = Q(lifted_at__isnull=False)


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def active(self) -> SuppressionQuerySet:
        return self.filter(lifted_at=None)

    def of_address(self, address: str, digests: Collection[bytes] = ()) -> SuppressionQuerySet:
        """All the address ever had, by indexes alone: one knows the active, one the lifted."""
        named, hidden = Q(address=address), Q(address_digest__in=list(digests))
        # Each with its state: what all parts share, the planner would take out of them, and then
        # no index fits any more.
        return self.filter(
            (ACTIVE & named) | (ACTIVE & hidden) | (LIFTED & named) | (LIFTED & hidden)
        )

    def holding_for(self, brand_id: int) -> SuppressionQuerySet:
        """Active ones of the brand and of the whole installation."""
        return self.active().filter(Q(brand=None) | Q(brand=brand_id))


ERASED = Q(reason=SuppressionReason.ERASED)


class Suppression(models.Model):
    """No brand: it holds for every brand of the installation. Lifted rows stay as history.

    Of an erased person only `address_digest` is kept, an HMAC under the key `digest_version` of
    ERASURE_KEYS: enough to recognise the address, not enough to learn it.
    """

    address = models.CharField(  # noqa: DJ001 - null where the digest stands instead
        max_length=ADDRESS_LIMIT, null=True, blank=True, db_collation="C"
    )
    address_digest = models.BinaryField(max_length=32, null=True, blank=True)
    digest_version = models.PositiveSmallIntegerField(null=True, blank=True)
    brand = models.ForeignKey(
        "brands.Brand",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="suppressions",
        db_index=False,
    )
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    origin = models.CharField(max_length=8, choices=SuppressionOrigin)
    detail = models.CharField(max_length=200, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True, db_default="")
    lift_note = models.CharField(max_length=200, blank=True, db_default="")

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            # Both unique indexes also answer the look-ups, by their first column.
            models.UniqueConstraint(
                fields=["address", "brand", "reason"],
                condition=ACTIVE & Q(address__isnull=False),
                nulls_distinct=False,
                name="suppression_active_address",
            ),
            models.UniqueConstraint(
                fields=["address_digest"],
                condition=ACTIVE & Q(address_digest__isnull=False),
                name="suppression_active_digest",
            ),
            models.CheckConstraint(
                condition=(
                    ERASED
                    & Q(
                        address__isnull=True,
                        address_digest__isnull=False,
                        digest_version__isnull=False,
                    )
                )
                | (
                    ~ERASED
                    & Q(
                        address__isnull=False,
                        address_digest__isnull=True,
                        digest_version__isnull=True,
                    )
                ),
                name="suppression_erased_keeps_digest_only",
            ),
            models.CheckConstraint(
                condition=Q(address__isnull=True) | address_form(),
                name="suppression_address_form",
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        reason__in=[SuppressionReason.HARD_BOUNCE, SuppressionReason.ERASED],
                        brand__isnull=True,
                    )
                    | Q(reason=SuppressionReason.COMPLAINT, brand__isnull=False)
                    | Q(reason=SuppressionReason.BLOCKED)
                ),
                name="suppression_scope_fits_reason",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=SuppressionOrigin.values),
                name="suppression_origin_known",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True, lifted_by="")
                | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
                name="suppression_lifted_by_somebody_at_some_time",
            ),
        ]
        indexes = [
            models.Index(fields=["reason", "id"], name="suppression_reason_page"),
            models.Index(fields=["brand", "id"], name="suppression_brand_page"),
            # What the unique indexes leave out: the history.
            models.Index(fields=["address"], condition=LIFTED, name="suppression_lifted_address"),
            models.Index(
                fields=["address_digest"], condition=LIFTED, name="suppression_lifted_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"suppression {self.pk}: {self.reason}"

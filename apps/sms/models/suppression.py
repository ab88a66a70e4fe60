"""Numbers that get no texts, whatever else is true of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.sms.models.subscriber import PHONE_FORM

_ERASED = Q(reason="erased")


class PhoneSuppression(models.Model):
    """No brand: it holds for every brand. Lifted rows stay as history.

    Of an erased person only `phone_digest` is kept, an HMAC under the key `digest_version` of
    ERASURE_KEYS: whoever adds a number asks for it, so that a re-import cannot bring them back.
    """

    class Reason(models.TextChoices):
        STOP = "stop", "asked us to stop"
        INVALID = "invalid", "the number does not exist"
        COMPLAINT = "complaint", "complained"
        ERASED = "erased", "had all traces removed"
        BLOCKED = "blocked", "blocked by hand"

    phone = models.CharField(  # noqa: DJ001 - null where the digest stands instead
        max_length=16, null=True, blank=True, db_collation="C"
    )
    phone_digest = models.BinaryField(max_length=32, null=True, blank=True)
    digest_version = models.PositiveSmallIntegerField(null=True, blank=True)
    brand = models.ForeignKey(
        Brand,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="phone_suppressions",
        db_index=False,
    )
    reason = models.CharField(max_length=10, choices=Reason)
    detail = models.CharField(max_length=200, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        constraints = [
            # Both unique indexes also answer the look-ups, by their first column.
            models.UniqueConstraint(
                name="phone_suppression_active",
                fields=["phone", "brand", "reason"],
                condition=Q(lifted_at__isnull=True, phone__isnull=False),
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                name="phone_suppression_active_digest",
                fields=["phone_digest"],
                condition=Q(lifted_at__isnull=True, phone_digest__isnull=False),
            ),
            models.CheckConstraint(
                name="phone_suppression_erased_keeps_digest_only",
                condition=(
                    _ERASED
                    & Q(
                        phone__isnull=True,
                        phone_digest__isnull=False,
                        digest_version__isnull=False,
                        brand__isnull=True,
                    )
                )
                | (
                    ~_ERASED
                    & Q(
                        phone__isnull=False,
                        phone_digest__isnull=True,
                        digest_version__isnull=True,
                    )
                ),
            ),
            models.CheckConstraint(
                name="phone_suppression_phone_is_e164",
                condition=Q(phone__isnull=True) | Q(phone__regex=PHONE_FORM),
            ),
            models.CheckConstraint(
                name="phone_suppression_reason_known",
                condition=Q(reason__in=["stop", "invalid", "complaint", "erased", "blocked"]),
            ),
            models.CheckConstraint(
                name="phone_suppression_lifted_by_somebody",
                condition=Q(lifted_at__isnull=True, lifted_by="")
                | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
            ),
        ]

    def __str__(self) -> str:
        return f"phone suppression {self.pk} ({self.reason})"

"""What the provider told us about numbers, and the answers that people wait for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand, ProviderAccount


class LimeCallback(models.Model):
    """One call of Lime's, as it came: stored first, then worked off.

    `fields` has what it told beyond the columns; emptied when the person is erased.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DONE = "done", "done"
        REFUSED = "refused", "refused"

    account = models.ForeignKey(
        ProviderAccount, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    received_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=20)
    phone = models.CharField(max_length=16, db_collation="C")
    list_id = models.CharField(max_length=40, blank=True, db_default="")
    keyword = models.CharField(max_length=160, blank=True, db_default="")
    fields = models.JSONField(default=dict, blank=True)
    digest = models.BinaryField(max_length=32)
    state = models.CharField(
        max_length=7, choices=State, default=State.WAITING, db_default=State.WAITING
    )
    outcome = models.CharField(max_length=100, blank=True, db_default="")
    applied_at = models.DateTimeField(null=True)
    correlation_id = models.CharField(max_length=64, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="lime_callback_state_known",
                condition=Q(state__in=["waiting", "done", "refused"]),
            ),
            models.CheckConstraint(
                name="lime_callback_applied_when_final",
                condition=Q(state="waiting", applied_at__isnull=True)
                | (~Q(state="waiting") & Q(applied_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(fields=["phone", "account", "-id"], name="lime_callback_of_phone"),
            models.Index(fields=["id"], name="lime_callback_waiting", condition=Q(state="waiting")),
            models.Index(fields=["received_at"], name="lime_callback_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"


class TextReply(models.Model):
    """The answer to STOP or HELP: one text, no marketing, within minutes or not at all.

    Sent under the same two marks as every text: `calling` is committed before the call, and what
    is not known to have arrived is `unknown` and not sent again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        CALLING = "calling", "calling"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"
        EXPIRED = "expired", "expired"

    FINAL = ("sent", "failed", "unknown", "expired")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+", db_index=False)
    account = models.ForeignKey(
        ProviderAccount, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    phone = models.CharField(max_length=16, db_collation="C")
    body = models.CharField(max_length=320)
    kind = models.CharField(max_length=4)
    state = models.CharField(
        max_length=7, choices=State, default=State.WAITING, db_default=State.WAITING
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0)
    attempts = models.PositiveIntegerField(db_default=0)
    settled_at = models.DateTimeField(null=True)
    detail = models.CharField(max_length=300, blank=True, db_default="")
    correlation_id = models.CharField(max_length=64, db_default="")

    class Meta:
        verbose_name_plural = "text replies"
        constraints = [
            models.CheckConstraint(
                name="text_reply_state_known",
                condition=Q(
                    state__in=["waiting", "calling", "sent", "failed", "unknown", "expired"]
                ),
            ),
            models.CheckConstraint(
                name="text_reply_settled_when_final",
                condition=Q(state__in=["waiting", "calling"], settled_at__isnull=True)
                | (~Q(state__in=["waiting", "calling"]) & Q(settled_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="text_reply_kind_known", condition=Q(kind__in=["stop", "help", "join"])
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="text_reply_open",
                condition=Q(state__in=["waiting", "calling"]),
            ),
            models.Index(fields=["phone", "-id"], name="text_reply_of_phone"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} reply {self.pk} ({self.state})"

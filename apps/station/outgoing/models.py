"""Who is told, what happened, and how the telling went.

Events and deliveries grow: keys, partitions and retention are decided in docs/adr/0014.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.brands.secrets import EncryptedTextField
from apps.station.outgoing.destinations import URL_LIMIT
from apps.station.outgoing.event_types import EventType

REASON_LIMIT = 200
SNIPPET_LIMIT = 500
# More tries than the schedule has: those of redeliveries by hand are in it too.
HISTORY_LIMIT = 20


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def kept(self) -> WebhookEndpointQuerySet:
        """Without those that somebody removed; their deliveries stay in the log."""
        return self.filter(removed_at=None)

    def enabled(self) -> WebhookEndpointQuerySet:
        return self.filter(disabled_at=None)


class WebhookEndpoint(models.Model):
    """An address of another system, and what it wants to be told about a brand.

    Two secrets are valid while one is being changed: each webhook is then signed with both.
    `failures` counts failures in a row and `failing_since` is the first of them; while there are
    several, nothing is sent until `held_until`.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField("URL", max_length=URL_LIMIT)
    description = models.CharField(max_length=REASON_LIMIT, blank=True, db_default="")
    event_types = ArrayField(
        models.CharField(max_length=40, choices=EventType), verbose_name="events"
    )
    secret = EncryptedTextField()
    previous_secret = EncryptedTextField(blank=True, db_default="")
    secret_changed_at = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(db_default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=REASON_LIMIT, blank=True, db_default="")
    removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=150)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="webhook_endpoint_wants_something", condition=~Q(event_types=[])
            ),
            models.CheckConstraint(
                name="webhook_endpoint_disabled_both_or_neither",
                condition=Q(disabled_at__isnull=True, disabled_reason="")
                | (Q(disabled_at__isnull=False) & ~Q(disabled_reason="")),
            ),
            models.CheckConstraint(
                name="webhook_endpoint_failing_both_or_neither",
                condition=Q(failures=0, failing_since__isnull=True)
                | Q(failures__gt=0, failing_since__isnull=False),
            ),
            models.CheckConstraint(
                name="webhook_endpoint_removed_is_disabled",
                condition=Q(removed_at__isnull=True) | Q(disabled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def state(self) -> str:
        """`enabled`, `failing` (it still is tried), `disabled` or `removed`."""
        if self.removed_at is not None:
            return "removed"
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failing_since else "enabled"

    @property
    def secrets(self) -> list[str]:
        """Those to sign with, the newest first."""
        return [secret for secret in (self.secret, self.previous_secret) if secret]


class WebhookCursor(models.Model):
    """How far one source was read: every row up to this id became events, or was of no interest."""

    source = models.CharField(max_length=40, primary_key=True)
    position = models.BigIntegerField()
    moved_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.source} up to {self.position}"


class LedgerChange(models.Model):
    """A mailing changed its state, a batch its counts, a campaign missed, a contact was erased.

    Written by triggers in the transaction of the change itself, because those rows keep only their
    last state; read, and deleted, by `collecting`.
    """

    class Kind(models.TextChoices):
        MAILING = "mailing", "mailing"
        BATCH = "batch", "batch"
        CAMPAIGN = "campaign", "campaign"
        CONTACT = "contact", "contact"

    kind = models.CharField(max_length=10, choices=Kind)
    object_id = models.BigIntegerField()
    previous = models.CharField(max_length=10, blank=True, db_default="")
    state = models.CharField(max_length=10, blank=True, db_default="")
    reason = models.CharField(max_length=500, blank=True, db_default="")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id} {self.state}"


class WebhookEvent(models.Model):
    """Something that happened and that an endpoint wanted to know. Partitioned by `month`.

    `key` names what happened, so that no source can make an event twice. `uid` is the webhook id
    of every delivery of it.
    """

    month = models.DateField()
    uid = models.UUIDField()
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    type = models.CharField(max_length=40)
    key = models.CharField(max_length=80)
    contact_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField()
    data = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "station_webhookevent"

    def __str__(self) -> str:
        return f"{self.type} {self.key}"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint. Partitioned by `month`, that of its event.

    `due_at` is when it may be claimed: the time of its next try, or the end of the lease of
    whoever holds it. `snippet` is the beginning of the receiver's last answer.
    """

    class State(models.TextChoices):
        PENDING = "pending", "waiting"
        CALLING = "calling", "being sent"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"

    month = models.DateField()
    event = models.ForeignKey(
        WebhookEvent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="deliveries"
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.DO_NOTHING, db_constraint=False, related_name="deliveries"
    )
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    type = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0)
    attempts = models.PositiveIntegerField(db_default=0)
    last_status = models.SmallIntegerField(null=True)
    last_error = models.CharField(max_length=REASON_LIMIT, blank=True, db_default="")
    latency_ms = models.PositiveIntegerField(null=True)
    snippet = models.CharField(max_length=SNIPPET_LIMIT, blank=True, db_default="")
    history = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "station_webhookdelivery"
        verbose_name_plural = "webhook deliveries"

    def __str__(self) -> str:
        return f"{self.type} to endpoint {self.endpoint_id} ({self.state})"

"""What goes out: template, content, mailing, message, batch, and what came back.

`Message` is the only per-recipient row of every mail, and `Batch` the unit of idempotency: 1 to
100 messages that travel in one provider call under one key. Keys, partitions and retention of the
growing tables are decided in docs/adr/0003.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now

from apps.brands.models import Brand, ProviderAccount, Sender
from apps.contacts.eligibility import MailClass
from apps.mail.reports.models import (
    Bounce,
    Click,
    DailyFigure,
    FigureChange,
    Link,
    MachineRule,
    Open,
)

__all__ = [
    "BATCH_SIZE",
    "AudiencePage",
    "Batch",
    "BatchAttempt",
    "BatchBody",
    "Bounce",
    "Click",
    "Content",
    "DailyFigure",
    "DeliveryEvent",
    "FigureChange",
    "Link",
    "MachineRule",
    "Mailing",
    "MailingQuerySet",
    "Message",
    "MessageQuerySet",
    "Open",
    "Template",
]

BATCH_SIZE = 100  # Resend's limit for one call


class Template(models.Model):
    """What an operator writes and changes. Mailings keep their own copy (`Content`)."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="mail_templates")
    slug = models.SlugField(max_length=60)
    subject = models.CharField(max_length=500)
    html = models.TextField()
    text = models.TextField(blank=True, help_text="Made from the HTML where it is left empty.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="template_once_per_brand", fields=["brand", "slug"]),
        ]

    def __str__(self) -> str:
        return self.slug


class Content(models.Model):
    """Subject, HTML and text as they were when a mailing was made. Never changed.

    `variables` are what all its recipients see as `variables.x`: the articles of a digest.
    """

    subject = models.TextField()
    html = models.TextField()
    text = models.TextField(blank=True)
    variables = models.JSONField(
        default=dict, blank=True, db_default=Value({}, output_field=models.JSONField())
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.subject


class MailingQuerySet(models.QuerySet["Mailing"]):
    def running(self) -> MailingQuerySet:
        return self.filter(state=Mailing.State.RUNNING)

    def unfinished(self) -> MailingQuerySet:
        return self.filter(state__in=(Mailing.State.RUNNING, Mailing.State.PAUSED))


class Mailing(models.Model):
    """Anything that goes out: a campaign, a digest issue, a sequence step, a stream of singles.

    `month` is the partition that holds its messages. `audience_cursor` is the last contact that
    was turned into a message, `audience_until` the last one that will be.
    """

    class State(models.TextChoices):
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        CANCELLED = "cancelled", "cancelled"
        COMPLETED = "completed", "completed"

    class Kind(models.TextChoices):
        BULK = "bulk", "bulk"
        STREAM = "stream", "stream of single mails"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.BULK)
    name = models.CharField(max_length=200)
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="mailings")
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="+")
    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="+")
    mail_class = models.CharField(max_length=20, choices=MailClass)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    state_reason = models.CharField(max_length=200, blank=True)
    state_changed_at = models.DateTimeField(db_default=Now())
    month = models.DateField()
    audience_cursor = models.BigIntegerField(default=0)
    audience_until = models.BigIntegerField(default=0)
    audience_completed_at = models.DateTimeField(null=True)
    is_specimen = models.BooleanField(
        default=False, db_default=False, help_text="Mails to look at, which count in no figures."
    )
    topic_groups = models.JSONField(
        default=list,
        blank=True,
        db_default=Value([], output_field=models.JSONField()),
        help_text="Lists of topic ids: each recipient needs an opt-in to one of each list.",
    )
    correlation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True)

    objects = MailingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="mailing_month_is_a_first_day", condition=Q(month__day=1)),
            models.CheckConstraint(
                name="mailing_completed_both_or_neither",
                condition=Q(state="completed", completed_at__isnull=False)
                | (~Q(state="completed") & Q(completed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="mailing_paused_with_reason",
                condition=~Q(state="paused") | ~Q(state_reason=""),
            ),
            models.UniqueConstraint(
                name="mailing_one_stream_per_month",
                fields=["brand", "name", "month"],
                condition=Q(kind="stream"),
            ),
        ]
        indexes = [
            models.Index(fields=["account"], name="mailing_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return self.name


class AudiencePage(models.Model):
    """One short transaction of turning an audience into messages, with its counts."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="audience_pages")
    after_contact = models.BigIntegerField()
    until_contact = models.BigIntegerField()
    planned = models.PositiveIntegerField()
    skipped = models.JSONField(default=dict, help_text="Number by reason")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="audience_page_once", fields=["mailing", "after_contact"]),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id}: {self.after_contact}-{self.until_contact}"


class Batch(models.Model):
    """1 to 100 messages of one account that travel in one call under one idempotency key.

    planned → calling → settled, unknown, split or cancelled. From `calling` on, key and bytes are
    fixed: the provider may have seen them. `due_at` is when the batch may be claimed: the time
    of its next try, or the end of the lease of whoever holds it. `ambiguous` says that an attempt
    under this key may have been accepted.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        CALLING = "calling", "calling"
        SETTLED = "settled", "settled"
        UNKNOWN = "unknown", "unknown"
        SPLIT = "split", "split"
        CANCELLED = "cancelled", "cancelled"

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="+")
    # Null where single mails of several mailings share the batch.
    mailing = models.ForeignKey(
        Mailing, on_delete=models.PROTECT, null=True, related_name="batches"
    )
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    month = models.DateField()
    size = models.PositiveSmallIntegerField()
    sent = models.PositiveSmallIntegerField(db_default=0)
    failed = models.PositiveSmallIntegerField(db_default=0)
    skipped = models.PositiveSmallIntegerField(db_default=0)
    unknown = models.PositiveSmallIntegerField(db_default=0)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0)
    attempts = models.PositiveIntegerField(db_default=0)
    throttles = models.PositiveIntegerField(db_default=0)
    # Claims in a row of which nothing was heard: 1 while somebody composes it.
    falls = models.PositiveSmallIntegerField(db_default=0)
    failing_since = models.DateTimeField(null=True)
    ambiguous = models.BooleanField(db_default=False)
    key = models.CharField(max_length=64, db_default="")
    key_made_at = models.DateTimeField(null=True)
    digest = models.BinaryField(null=True, max_length=32)
    last_error = models.CharField(max_length=300, db_default="")
    correlation_id = models.CharField(max_length=64, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="batch_size_limit", condition=Q(size__gte=0, size__lte=BATCH_SIZE)
            ),
            models.CheckConstraint(
                name="batch_key_from_calling_on",
                condition=(~Q(state__in=("calling", "unknown")) & Q(sent=0))
                | (~Q(key="") & Q(key_made_at__isnull=False, digest__isnull=False)),
            ),
            models.CheckConstraint(
                name="batch_counts_add_up_when_settled",
                condition=~Q(state__in=("settled", "unknown", "cancelled"))
                | Q(
                    size=models.F("sent")
                    + models.F("failed")
                    + models.F("skipped")
                    + models.F("unknown")
                ),
            ),
            models.UniqueConstraint(name="batch_key_once", fields=["key"], condition=~Q(key="")),
        ]
        indexes = [
            models.Index(
                fields=["mailing", "due_at", "id"],
                name="batch_planned_by_mailing",
                condition=Q(state="planned"),
            ),
            models.Index(
                fields=["mailing", "due_at"],
                name="batch_taken_by_mailing",
                condition=Q(state="planned", fence__gt=0),
            ),
            models.Index(
                fields=["account", "due_at"],
                name="batch_open_by_account",
                condition=Q(state="calling") | Q(state="planned", mailing__isnull=True),
            ),
            models.Index(
                fields=["settled_at"], name="batch_in_doubt", condition=Q(state="unknown")
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.state})"


class BatchBody(models.Model):
    """The exact bytes of a sealed batch, zstd-compressed; deleted 48 h after settling."""

    batch = models.OneToOneField(
        Batch, on_delete=models.CASCADE, primary_key=True, related_name="body"
    )
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"body of batch {self.batch_id}"


class BatchAttempt(models.Model):
    """One provider call and how it ended, as the worker that made it saw it."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="history")
    number = models.PositiveIntegerField()
    ended_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=30)
    latency_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"batch {self.batch_id}, attempt {self.number}: {self.outcome}"


class MessageQuerySet(models.QuerySet["Message"]):
    def of(self, mailing: Mailing) -> MessageQuerySet:
        """The mailing's messages, read from its one partition."""
        return self.filter(month=mailing.month, mailing=mailing)


class Message(models.Model):
    """One recipient of one mailing. Partitioned by `month` (migration 0001 makes the table).

    No index mentions `state` or `provider_id`: settling is then an update in place (HOT).
    `due_at` is set only while a single mail waits for its batch. `opened_at` and `clicked_at` are
    the first ones of a person, machines have their own (`events.machines`).
    """

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"
        SKIPPED = "skipped", "skipped"
        UNKNOWN = "unknown", "unknown"

    class Delivery(models.IntegerChoices):
        """What the provider told us since. Only ever rises."""

        NONE = 0, "no news"
        ACCEPTED = 10, "accepted"
        DELAYED = 20, "delayed"
        DELIVERED = 30, "delivered"
        UNDELIVERED = 35, "not delivered"
        BOUNCED = 40, "bounced"
        COMPLAINED = 50, "complained"

    month = models.DateField()
    mailing = models.ForeignKey(
        Mailing, on_delete=models.DO_NOTHING, db_constraint=False, related_name="messages"
    )
    contact_id = models.BigIntegerField(null=True)
    batch = models.ForeignKey(
        Batch, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="messages"
    )
    address = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    provider_id = models.CharField(max_length=64, blank=True)
    delivery = models.SmallIntegerField(choices=Delivery, default=Delivery.NONE)
    delivery_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    clicked_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    machine_opened_at = models.DateTimeField(null=True)
    machine_clicked_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=256, null=True)  # noqa: DJ001 - unique where set
    variables = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "mail_message"

    def __str__(self) -> str:
        return f"message {self.pk} ({self.state})"


class DeliveryEvent(models.Model):
    """A webhook as it came: stored once, answered, then worked off. Partitioned by `month`.

    `month` is that of the event itself, so that a redelivery meets the first one's unique index.
    """

    month = models.DateField()
    account = models.ForeignKey(
        ProviderAccount, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    provider_event_id = models.CharField(max_length=128)
    type = models.CharField(max_length=60)
    occurred_at = models.DateTimeField()
    payload = models.TextField()
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=30, blank=True)

    class Meta:
        managed = False
        db_table = "mail_deliveryevent"

    def __str__(self) -> str:
        return f"{self.type} {self.provider_event_id}"

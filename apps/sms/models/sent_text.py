"""The sent log, and the chunks in which its reservations are worked off."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.lookups import In

from apps.brands.models import Brand
from apps.sms.models.campaign import TextCampaign, TextMessage
from apps.sms.models.subscriber import Subscriber


class TextChunk(models.Model):
    """Some 100 reservations of one brand and one local day that a worker takes at once.

    Made by the statement that reserves. `due_at` is when it may be claimed: the time of its next
    try, or the end of the lease of whoever holds it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        WORKING = "working", "working"
        DONE = "done", "done"

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="text_chunks", db_index=False
    )
    local_day = models.DateField()
    size = models.PositiveSmallIntegerField()
    state = models.CharField(
        max_length=7, choices=State, default=State.WAITING, db_default=State.WAITING
    )
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0)
    attempts = models.PositiveIntegerField(db_default=0)
    throttles = models.PositiveIntegerField(db_default=0)
    last_error = models.CharField(max_length=300, db_default="")
    correlation_id = models.CharField(max_length=64, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="text_chunk_state_known",
                condition=Q(state__in=["waiting", "working", "done"]),
            ),
            models.CheckConstraint(
                name="text_chunk_done_both_or_neither",
                condition=Q(state="done", done_at__isnull=False)
                | (~Q(state="done") & Q(done_at__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["brand", "due_at", "id"],
                name="text_chunk_open",
                condition=~Q(state="done"),
            ),
            models.Index(fields=["done_at"], name="text_chunk_done"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.pk} ({self.state})"


class SentText(models.Model):
    """One text to one person. Partitioned by `local_day`, a partition per month (docs/adr/0023).

    `local_day` is the person's own day at the reservation: caps count by it, and with it the
    database lets a message be reserved once per person and day. `until_at` is the end of the
    person's hours that day: a text not begun by then is `expired`. `counts` is made by the
    database: true while the text was sent or may yet be, which is what caps count.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", "reserved"
        CALLING = "calling", "calling"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"
        SKIPPED = "skipped", "skipped"
        EXPIRED = "expired", "expired"

    COUNTING = (State.RESERVED, State.CALLING, State.SENT, State.UNKNOWN)

    local_day = models.DateField()
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.DO_NOTHING, db_constraint=False, related_name="texts"
    )
    message = models.ForeignKey(
        TextMessage, on_delete=models.DO_NOTHING, db_constraint=False, related_name="texts"
    )
    campaign = models.ForeignKey(
        TextCampaign, on_delete=models.DO_NOTHING, db_constraint=False, related_name="texts"
    )
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="texts"
    )
    chunk = models.ForeignKey(
        TextChunk, on_delete=models.DO_NOTHING, db_constraint=False, related_name="texts"
    )
    phone = models.CharField(max_length=16)
    state = models.CharField(max_length=8, choices=State, default=State.RESERVED)
    reason = models.CharField(max_length=60, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    segments = models.PositiveSmallIntegerField(null=True)
    fence = models.IntegerField(db_default=0)
    reserved_at = models.DateTimeField(db_default=Now())
    until_at = models.DateTimeField()
    calling_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    counts = models.GeneratedField(
        expression=In(models.F("state"), COUNTING),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        managed = False
        db_table = "sms_senttext"

    def __str__(self) -> str:
        return f"text {self.pk} ({self.state})"

"""What is remembered about queues: figures by the minute, how each stands, open alerts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class QueueMinute(models.Model):
    """What all workers did for a queue in one minute; kept for two days."""

    queue = models.CharField(max_length=40)
    minute = models.DateTimeField()
    done = models.PositiveIntegerField(db_default=0)
    failed = models.PositiveIntegerField(db_default=0)
    units = models.PositiveIntegerField(
        db_default=0, help_text="Pieces of work settled: mails, events, rows"
    )
    busy_seconds = models.FloatField(db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="queue_minute_once", fields=["queue", "minute"]),
        ]

    def __str__(self) -> str:
        return f"{self.queue} at {self.minute:%Y-%m-%d %H:%M}"


class QueueStanding(models.Model):
    """One row per queue: when it last succeeded and failed, and failures in a row since."""

    queue = models.CharField(max_length=40, primary_key=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    error_streak = models.PositiveIntegerField(db_default=0)
    last_error = models.CharField(max_length=200, db_default="")
    # Work has been due at every look since then; kept by the watch over the watermarks.
    due_since = models.DateTimeField(null=True)
    # Of a queue of another system: what waits there, as its last answer told.
    told_length = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = "health of a queue"
        verbose_name_plural = "health of queues"

    def __str__(self) -> str:
        return self.queue


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> AlertQuerySet:
        return self.filter(cleared_at=None)


class Alert(models.Model):
    """Something that a person must look at: raised once, cleared once.

    `subject` is what it is about (a queue, a schedule). `told_at` and `clearing_told_at` say when
    the webhook of FLUX_ALERT_WEBHOOK_URL was told; `tell_at` is when it is next tried.
    """

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=100)
    message = models.CharField(max_length=300)
    value = models.FloatField(null=True)
    limit = models.FloatField(null=True)
    raised_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    cleared_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    clearing_told_at = models.DateTimeField(null=True)
    tell_at = models.DateTimeField(db_default=Now(), null=True)
    tellings = models.PositiveSmallIntegerField(db_default=0)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="alert_one_open_per_subject",
                fields=["kind", "subject"],
                condition=Q(cleared_at__isnull=True),
            ),
            models.CheckConstraint(
                name="alert_clearing_told_after_clearing",
                condition=Q(clearing_told_at__isnull=True) | Q(cleared_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["tell_at"], name="alert_to_tell", condition=Q(tell_at__isnull=False)
            ),
            models.Index(fields=["-raised_at"], name="alert_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"

"""Dead letters and claimed periods; how the queues stand is in `health.models`."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.queues.health.models import Alert, QueueMinute, QueueStanding

__all__ = [
    "Alert",
    "BulkRedrive",
    "DeadLetter",
    "DeadLetterQuerySet",
    "QueueMinute",
    "QueueStanding",
    "SchedulePeriod",
]


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    def open(self) -> DeadLetterQuerySet:
        return self.filter(state=DeadLetter.State.OPEN)

    def of_queue(self, queue: str) -> DeadLetterQuerySet:
        return self.filter(queue=queue)


class DeadLetter(models.Model):
    """Work that gave up: kept until a person drives it again or discards it.

    `subject` and `subject_id` name the row that holds the work ("mail.batch", 17); a poisoned
    wake-up has no row and keeps its arguments in `payload`. Payloads hold ids, never addresses,
    keys or bodies.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        REDRIVEN = "redriven", "driven again"
        DISCARDED = "discarded", "discarded"

    queue = models.CharField(max_length=40)
    task = models.CharField(max_length=100)
    subject = models.CharField(max_length=40, blank=True)
    subject_id = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=60)
    error = models.TextField(blank=True)
    payload = models.JSONField(default=dict)
    attempts = models.PositiveIntegerField(default=0)
    correlation_id = models.CharField(max_length=64, blank=True)
    # The brand whose work it is, an id of the room above; none where it is the installation's.
    brand_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    first_failed_at = models.DateTimeField(db_default=Now())
    last_failed_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True)

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="dead_letter_closed_when_not_open",
                condition=Q(state="open", closed_at__isnull=True)
                | (~Q(state="open") & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="dead_letter_subject_both_or_neither",
                condition=Q(subject="", subject_id__isnull=True)
                | (~Q(subject="") & Q(subject_id__isnull=False)),
            ),
            # One row of work has one open letter, however many workers give it up at once.
            models.UniqueConstraint(
                name="dead_letter_one_open_per_subject",
                fields=["subject", "subject_id"],
                condition=Q(state="open") & ~Q(subject=""),
            ),
            models.UniqueConstraint(
                name="dead_letter_one_open_per_wake_up",
                fields=["task", "payload"],
                condition=Q(state="open", subject=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "-last_failed_at"],
                name="dead_letter_open_by_queue",
                condition=Q(state="open"),
            ),
            models.Index(fields=["-last_failed_at"], name="dead_letter_by_failure"),
        ]

    def __str__(self) -> str:
        return f"{self.queue}: {self.subject or self.task} {self.subject_id or ''} ({self.reason})"


class BulkRedrive(models.Model):
    """A person's wish to drive all open letters of a kind again, carried out page by page.

    Empty texts mean any; `brand_ids` none means those of every brand and of the installation.
    Letters that came after it was asked for (`until_id`) are left alone.
    """

    queue = models.CharField(max_length=40, blank=True)
    task = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    brand_ids = models.JSONField(null=True)
    until_id = models.BigIntegerField()
    cursor_id = models.BigIntegerField(db_default=0)
    driven = models.PositiveIntegerField(db_default=0)
    refused = models.PositiveIntegerField(db_default=0)
    last_refusal = models.CharField(max_length=300, db_default="")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["id"],
                name="bulk_redrive_unfinished",
                condition=Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        kind = " ".join(filter(None, (self.queue, self.task, self.reason)))
        return f"{kind or 'everything'}, asked by {self.asked_by}"


class SchedulePeriod(models.Model):
    """A scheduled job's period that somebody has claimed: two beats cannot run it twice."""

    schedule = models.CharField(max_length=60)
    starts_at = models.DateTimeField()
    claimed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="schedule_period_once", fields=["schedule", "starts_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} from {self.starts_at:%Y-%m-%d %H:%M}"

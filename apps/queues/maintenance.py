"""Keeping this room's own tables small."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from apps.queues.models import Alert, BulkRedrive, DeadLetter, QueueMinute, SchedulePeriod

PERIODS_KEPT = timedelta(days=60)
MINUTES_KEPT = timedelta(days=2)
# What people closed and what they were told stays for a year: somebody may want to look it up.
HISTORY_KEPT = timedelta(days=365)


def prune_periods() -> int:
    """Deletes claimed periods that are long past, and old history; returns how many periods."""
    QueueMinute.objects.filter(minute__lt=Now() - MINUTES_KEPT).delete()
    DeadLetter.objects.filter(closed_at__lt=Now() - HISTORY_KEPT).delete()
    Alert.objects.filter(cleared_at__lt=Now() - HISTORY_KEPT).delete()
    BulkRedrive.objects.filter(finished_at__lt=Now() - HISTORY_KEPT).delete()
    deleted, _ = SchedulePeriod.objects.filter(starts_at__lt=Now() - PERIODS_KEPT).delete()
    return deleted

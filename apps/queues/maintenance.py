"""Keeping this room's own tables small."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from apps.queues.models import SchedulePeriod

PERIODS_KEPT = timedelta(days=60)


def prune_periods() -> int:
    """Deletes claimed periods that are long past; returns how many."""
    deleted, _ = SchedulePeriod.objects.filter(starts_at__lt=Now() - PERIODS_KEPT).delete()
    return deleted

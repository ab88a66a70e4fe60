"""Retention of what joining leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db.models.functions import Now

from apps.newsletter.models import CacheInvalidation, ContactSubmission, JoinRequest

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

log = structlog.get_logger(__name__)

# What was done, and what was given up: long enough to look into it.
SETTLED_DAYS = 7
GIVEN_UP_DAYS = 30
DELETE_PAGE = 1000


def prune_joining() -> int:
    """Deletes what is older than its retention; returns how many rows."""
    settled = Now() - timedelta(days=SETTLED_DAYS)
    given_up = Now() - timedelta(days=GIVEN_UP_DAYS)
    written = Now() - timedelta(days=settings.CONTACT_FORM_DAYS)
    deleted = (
        _delete(CacheInvalidation.objects.filter(settled_at__lt=settled))
        + _delete(JoinRequest.objects.filter(due_at=None, asked_at__lt=given_up))
        + _delete(ContactSubmission.objects.filter(created_at__lt=written))
    )
    if deleted:
        log.info("joining_pruned", rows=deleted)
    return deleted


def _delete(expired: QuerySet[Model]) -> int:
    """In short transactions."""
    total = 0
    while True:
        page = list(expired.order_by("pk").values_list("pk", flat=True)[:DELETE_PAGE])
        deleted, _ = expired.model._default_manager.filter(pk__in=page).delete()  # noqa: SLF001
        total += deleted
        if len(page) < DELETE_PAGE:
            return total

"""Who acts on a page of this room, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

from apps.brands.acting import user_actor
from apps.contacts.models import ConsentSource
from apps.contacts.subscribing import Evidence
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest


def actor(request: HttpRequest) -> str:
    if not request.user.is_authenticated:
        raise Http404
    return user_actor(request.user)


def evidence(request: HttpRequest, *, told: str, now: datetime) -> Evidence:
    """What an operator was told by the person, and which operator."""
    return Evidence(
        source=ConsentSource.OPERATOR,
        occurred_at=now,
        detail=actor(request),
        text_shown=told,
        correlation_id=correlation_id(),
    )

"""What the home page shows an operator: only of brands that they may view, in a few queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.urls import reverse

from apps.brands import rights
from apps.brands.rights import Right
from apps.campaigns.models import Campaign
from apps.mail.admin.live import advice, look, state_label
from apps.mail.models import Mailing
from apps.mail.reports import figures
from apps.mail.reports.wording import KINDS
from apps.mail.results import progress_of
from apps.station.desk.charts import charts
from apps.station.desk.waiting import mailing_url, waiting_for_a_person

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.http import HttpRequest

DAYS = 30
SHOWN_RUNNING = 10
SHOWN_SCHEDULED = 10
SHOWN_RESULTS = 8
_SHOWN_KINDS = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    "auto_opened",
    "auto_clicked",
    "bounced",
    "complained",
    "failed",
)
_HEADINGS = [KINDS.get(kind, kind) for kind in _SHOWN_KINDS]
_OVER = (Mailing.State.COMPLETED, Mailing.State.CANCELLED)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook for the home page. The number of queries does not grow with what there is."""
    seen = rights.brand_ids(request.user, Right.VIEW)
    unfinished = _unfinished(seen)
    days = figures.daily(seen, days=DAYS)
    context.update(
        title="Home",
        subtitle=None,
        sees_any=bool(seen),
        waiting=waiting_for_a_person(request.user, seen, unfinished),
        running=_running(unfinished),
        scheduled=_scheduled(seen),
        results=_results(seen),
        charts=charts(days),
        days=_table(days),
        day_kinds=_HEADINGS,
    )
    return context


def _unfinished(brand_ids: Collection[int]) -> list[Mailing]:
    """Bulk under way or paused, and paused streams; streams that run do so all the time."""
    bulk_or_paused = Q(kind=Mailing.Kind.BULK) | Q(state=Mailing.State.PAUSED)
    rows = Mailing.objects.unfinished().filter(bulk_or_paused, brand_id__in=brand_ids)
    return list(rows.select_related("brand", "account", "campaign").order_by("-pk")[:100])


def _running(unfinished: Sequence[Mailing]) -> list[dict[str, Any]]:
    bulk = [one for one in unfinished if one.kind == Mailing.Kind.BULK][:SHOWN_RUNNING]
    seen = progress_of([one.pk for one in bulk])
    return [
        {
            "mailing": mailing,
            "url": mailing_url(mailing),
            "look": look(seen[mailing.pk]),
            "tone": state_label(mailing.state),
            "advice": advice(mailing),
        }
        for mailing in bulk
        if mailing.pk in seen
    ]


def _scheduled(brand_ids: Collection[int]) -> list[dict[str, Any]]:
    rows = Campaign.objects.drafts().filter(
        brand_id__in=brand_ids, scheduled_at__isnull=False, missed_at=None
    )
    found = rows.select_related("brand").order_by("scheduled_at")[:SHOWN_SCHEDULED]
    return [
        {
            "campaign": campaign,
            "url": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            "zone": campaign.brand.timezone,
        }
        for campaign in found
    ]


def _results(brand_ids: Collection[int]) -> list[dict[str, Any]]:
    rows = Mailing.objects.filter(
        brand_id__in=brand_ids, kind=Mailing.Kind.BULK, state__in=_OVER
    ).select_related("brand", "campaign")
    latest = list(rows.order_by("-state_changed_at")[:SHOWN_RESULTS])
    numbers = figures.of_mailings([one.pk for one in latest])
    return [
        {
            "mailing": mailing,
            "url": mailing_url(mailing),
            "tone": state_label(mailing.state),
            "cells": _cells(numbers[mailing.pk]),
        }
        for mailing in latest
    ]


def _cells(numbers: dict[str, int]) -> list[tuple[str, str, str]]:
    """Kind, number, and for what was reached its share of those sent."""
    sent = numbers.get("sent", 0)
    return [
        (
            KINDS.get(kind, kind),
            f"{numbers.get(kind, 0):,}",
            f"{100 * numbers.get(kind, 0) / sent:.1f} %"
            if sent and kind not in ("sent", "failed")
            else "",
        )
        for kind in _SHOWN_KINDS
    ]


def _table(days: Sequence[figures.DayFigures]) -> list[dict[str, Any]]:
    """The newest first, as one reads it."""
    return [
        {"day": day.day, "numbers": [f"{day[kind]:,}" for kind in _SHOWN_KINDS]}
        for day in reversed(days)
    ]

"""The page that shows how every queue and provider account stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse

from apps.brands.acting import user_actor
from apps.mail import standing
from apps.queues import holding
from apps.queues.breaking import Phase
from apps.queues.errors import UnknownQueueError
from apps.queues.health.reading import read_health
from apps.queues.models import QueueStanding
from apps.queues.registry import QUEUES
from apps.station.queues_desk.admin.bases import InstallationAdmin, may_drive_all

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.queues.health.reports import AccountHealth, QueueHealth

TONES = {"ok": "good", "unknown": "warn", "alert": "bad"}
PHASE_TONES = {Phase.CLOSED: "good", Phase.PROBING: "warn", Phase.OPEN: "bad"}
PHASES = {Phase.CLOSED: "closed", Phase.PROBING: "trying one", Phase.OPEN: "open"}
HOLDS = {Phase.PROBING: "trying one", Phase.OPEN: "held"}


@admin.register(QueueStanding)
class QueueStandingAdmin(InstallationAdmin):
    """One page in place of a list; resetting is for those who may drive work again everywhere."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.post_page("account/<int:account_id>/reset/", self.reset_breaker, "reset_breaker"),
            self.post_page("hold/<slug:queue>/reset/", self.reset_hold, "reset_hold"),
            *super().get_urls(),
        ]

    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise Http404
        health = read_health()
        accounts = () if isinstance(health.accounts, str) else health.accounts
        return self.show(
            request,
            "overview.html",
            title="Health of queues",
            health=health,
            alerts=() if isinstance(health.alerts, str) else health.alerts,
            rows=[_queue_row(one) for one in health.queues.values()],
            accounts=[_account_row(one) for one in accounts],
            accounts_known=not isinstance(health.accounts, str),
            may_reset=may_drive_all(request),
            flower=settings.FLOWER_LINK,
        )

    def reset_breaker(self, request: HttpRequest, account_id: int) -> HttpResponse:
        self.require_all(request)
        try:
            now = standing.reset_breaker(account_id=account_id, by=user_actor(request.user))
        except ObjectDoesNotExist:
            raise Http404(f"There is no account {account_id}.") from None
        if now.shared:
            messages.success(request, "The breaker is closed: calls go on at once.")
        else:
            messages.warning(request, "The broker does not answer: no worker heard of it.")
        return self._back()

    def reset_hold(self, request: HttpRequest, queue: str) -> HttpResponse:
        self.require_all(request)
        try:
            now = holding.reset(queue=queue, by=user_actor(request.user))
        except UnknownQueueError as error:
            raise Http404(str(error)) from None
        if now.shared:
            messages.success(request, f"The queue {queue} works again at once.")
        else:
            messages.warning(request, "The broker does not answer: no worker heard of it.")
        return self._back()

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:queues_queuestanding_changelist"))


def _queue_row(one: QueueHealth) -> dict[str, Any]:
    hold = None if isinstance(one.hold, str) else one.hold
    if hold is not None and hold.phase is Phase.CLOSED:
        hold = None
    letters = reverse("admin:queues_deadletter_changelist")
    return {
        "health": one,
        "tone": TONES[one.status],
        "length": _number(one.queue_length),
        "oldest": _span(one.oldest_due_seconds),
        "in_progress": _number(one.in_progress),
        "letters": _number(one.dead_letters),
        "letters_url": f"{letters}?queue__exact={one.queue}",
        "rate": _rate(one),
        "waits_for": QUEUES[one.queue].waits_for if one.queue in QUEUES else "",
        "hold": hold,
        "hold_words": HOLDS[hold.phase] if hold else "",
    }


def _account_row(one: AccountHealth) -> dict[str, Any]:
    limiter = None if isinstance(one.limiter, str) else one.limiter
    breaker = None if isinstance(one.breaker, str) else one.breaker
    share = None if limiter is None else limiter.share
    return {
        "health": one,
        "id": one.bucket.rpartition(":")[2],
        "limiter": limiter,
        "percent": None if share is None else min(100, round(share * 100)),
        "breaker": breaker,
        "breaker_words": PHASES[breaker.phase] if breaker else "unknown",
        "breaker_tone": PHASE_TONES[breaker.phase] if breaker else "warn",
        "is_open": breaker is not None and breaker.phase is not Phase.CLOSED,
    }


def _number(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _rate(one: QueueHealth) -> str:
    if isinstance(one.tasks_per_minute, str) or isinstance(one.units_per_minute, str):
        return "unknown"
    if one.units_per_minute:
        return f"{one.units_per_minute:,.0f} / min"
    return f"{one.tasks_per_minute:,.1f} tasks / min" if one.tasks_per_minute else "-"


def _span(seconds: float | str | None) -> str:
    if seconds is None or isinstance(seconds, str):
        return seconds or "-"
    whole = round(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"

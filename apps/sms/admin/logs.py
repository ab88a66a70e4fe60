"""What happened: events, the provider's calls, replies, the minutes' runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from apps.brands.admin.scoped import BrandFilter
from apps.sms.admin.pages import StationWideAdmin, TextLogAdmin
from apps.sms.choosing.reasons import WORDING
from apps.sms.models import ChoiceRun, LimeCallback, TextReply, TrackingEvent

if TYPE_CHECKING:
    from django.http import HttpRequest


@admin.register(TrackingEvent)
class TrackingEventAdmin(TextLogAdmin):
    list_display = (
        "occurred_at",
        "event_type",
        "brand",
        "subscriber",
        "message",
        "keyword",
        "value",
        "currency",
        "source",
    )
    list_filter = ("event_type", "source", BrandFilter)
    list_select_related = ("brand", "subscriber", "message")
    search_fields = ("keyword__exact",)
    search_help_text = "The whole keyword."
    ordering = ("-occurred_at", "-id")


@admin.register(TextReply)
class TextReplyAdmin(TextLogAdmin):
    list_display = ("created_at", "brand", "phone", "kind", "state", "attempts", "detail")
    list_filter = ("state", "kind", BrandFilter)
    list_select_related = ("brand",)
    ordering = ("-pk",)


@admin.register(LimeCallback)
class LimeCallbackAdmin(StationWideAdmin):
    """They name a provider account, which several brands may share: superusers look at them."""

    list_display = ("received_at", "action", "phone", "list_id", "keyword", "state", "outcome")
    list_filter = ("action", "state")
    search_fields = ("phone__exact",)
    search_help_text = "The whole number, such as +17325550100."
    list_display_links = None
    ordering = ("-pk",)
    sortable_by = ()
    actions = None

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return self._rules(request)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(ChoiceRun)
class ChoiceRunAdmin(TextLogAdmin):
    list_display = ("minute", "brand", "chosen", "reserved", "why_not", "duration_ms")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    ordering = ("-minute", "-pk")

    @admin.display(description="why the others got none")
    def why_not(self, run: ChoiceRun) -> str:
        counted = sorted(run.reasons.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{WORDING.get(name, name)}: {number:,}" for name, number in counted)

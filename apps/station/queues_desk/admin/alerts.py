"""Alerts and scheduled jobs: looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from unfold.decorators import display

from apps.queues.models import Alert, SchedulePeriod
from apps.station.queues_desk.admin.bases import InstallationAdmin

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class StateFilter(SimpleListFilter):
    """Open ones, unless asked for others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("cleared", "cleared"), ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "open"}, *others]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "cleared":
                return rows.exclude(cleared_at=None)
            case "all":
                return rows
        return rows.filter(cleared_at=None)


@admin.register(Alert)
class AlertAdmin(InstallationAdmin):
    list_display = ("shown_state", "kind", "subject", "message", "raised_at", "cleared_at")
    list_display_links = ("kind",)
    list_filter = (StateFilter, "kind")
    search_fields = ("subject", "message")
    ordering = ("-raised_at",)
    fields = (
        "kind",
        "subject",
        "message",
        "value",
        "limit",
        "raised_at",
        "last_seen_at",
        "cleared_at",
        "told_at",
        "clearing_told_at",
    )
    readonly_fields = fields

    @display(  # type: ignore[untyped-decorator]
        description="state", label={"open": "danger", "cleared": "success"}
    )
    def shown_state(self, alert: Alert) -> str:
        return "cleared" if alert.cleared_at else "open"


@admin.register(SchedulePeriod)
class SchedulePeriodAdmin(InstallationAdmin):
    """Which period of which job was run, and when it was claimed."""

    list_display = ("schedule", "starts_at", "claimed_at")
    list_filter = ("schedule",)
    ordering = ("-claimed_at",)
    fields = ("schedule", "starts_at", "claimed_at")
    readonly_fields = fields

"""Settings of texts: the global row and the brands', words, laws, what other systems may do."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.contrib import admin

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter
from apps.brands.rights import Right
from apps.sms.admin.pages import StationWideAdmin, TextsAdmin
from apps.sms.models import (
    EventSource,
    KeyBrand,
    Keyword,
    PhoneSuppression,
    StateHours,
    SubscribeFlag,
    TextConfig,
)

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest


@admin.register(TextConfig)
class TextConfigAdmin(TextsAdmin):
    """An empty field means: as the row of all brands, and there: our default."""

    change_right = Right.ADMINISTER
    sees_brandless = True
    list_display = ("__str__", "sending", "dry_run", "account", "transport", "daily_limit")
    list_select_related = ("brand", "account")
    fieldsets = (
        (None, {"fields": ("brand", "sending", "dry_run", "account", "shortcode")}),
        (
            "Who gets how many",
            {
                "fields": (
                    "daily_limit",
                    "gap_minutes",
                    "global_daily_cap",
                    "engagement_days",
                    "verify_max_age_hours",
                    "check_per_number",
                )
            },
        ),
        (
            "Hours",
            {
                "fields": (
                    "hours_from",
                    "hours_until",
                    "default_zone",
                    "eastern_western_intersection",
                )
            },
        ),
        (
            "How they leave",
            {
                "fields": (
                    "run_limit",
                    "chunk_size",
                    "transport",
                    "texts_per_call",
                    "in_flight",
                    "spacing_ms",
                    "requests_per_minute",
                )
            },
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The row of all brands holds the switch for sending: it is changed, never deleted.
        has_brand = obj is None or obj.brand_id is not None
        return has_brand and super().has_delete_permission(request, obj)


@admin.register(StateHours)
class StateHoursAdmin(StationWideAdmin):
    list_display = ("__str__", "hours_from", "hours_until", "max_per_24h")
    ordering = ("state",)


@admin.register(Keyword)
class KeywordAdmin(TextsAdmin):
    sees_brandless = True
    list_display = ("word", "kind", "brand_shown", "reply")
    list_filter = ("kind", BrandFilter)
    list_select_related = ("brand",)
    ordering = ("kind", "word")

    @admin.display(description="brand")
    def brand_shown(self, keyword: Keyword) -> str:
        return str(keyword.brand) if keyword.brand else "all brands"


@admin.register(PhoneSuppression)
class PhoneSuppressionAdmin(TextsAdmin):
    """Blocked by hand, or as the provider told; erased people show as a digest only."""

    sees_brandless = True
    list_display = ("phone_shown", "reason", "brand", "detail", "created_at", "lifted_at")
    list_filter = ("reason", BrandFilter)
    list_select_related = ("brand",)
    search_fields = ("phone__exact",)
    search_help_text = "The whole number, such as +17325550100."
    fields = ("phone", "brand", "reason", "detail")
    ordering = ("-pk",)
    sortable_by = ()

    @admin.display(description="phone")
    def phone_shown(self, row: PhoneSuppression) -> str:
        return row.phone or "erased"

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "reason":
            erased = PhoneSuppression.Reason.ERASED  # by erasing the person, not by hand
            kwargs["choices"] = [one for one in db_field.choices if one[0] != erased]
        return super().formfield_for_choice_field(db_field, request, **kwargs)


@admin.register(SubscribeFlag)
class SubscribeFlagAdmin(StationWideAdmin):
    list_display = ("field", "brand")
    list_select_related = ("brand",)


@admin.register(KeyBrand)
class KeyBrandAdmin(StationWideAdmin):
    list_display = ("api_key", "brand", "granted_at", "granted_by")
    list_select_related = ("api_key", "brand")
    fields = ("api_key", "brand")

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: KeyBrand,
        form: ModelForm[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        obj.granted_by = user_actor(request.user)
        super().save_model(request, obj, form, change)


@admin.register(EventSource)
class EventSourceAdmin(TextsAdmin):
    change_right = Right.ADMINISTER
    list_display = ("name", "brand", "active", "created_at")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    fields = ("brand", "name", "token", "secret", "previous_secret", "active")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_changeform_initial_data(request), "secret": secrets.token_urlsafe(32)}

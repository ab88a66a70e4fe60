"""The segment queue, its drift and its passes, and what is managed at the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models.expressions import RawSQL
from unfold.decorators import display

from apps.brands import rights
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin, ReadOnlyAdmin
from apps.brands.rights import Right
from apps.newsletter.models import (
    ManagedSegment,
    ProviderTopic,
    SegmentPass,
    SegmentWish,
    WishState,
)
from apps.newsletter.segments import drift

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_TONES = {
    str(WishState.WAITING.label): "info",
    str(WishState.WORKING.label): "warning",
    str(WishState.DEAD.label): "danger",
    str(SegmentPass.Outcome.DONE.label): "success",
    str(SegmentPass.Outcome.DEAD.label): "danger",
}
REPAIRED_AT_ONCE = 5_000
WISHES = "newsletter_segmentwish"
PASSES = "newsletter_segmentpass"

# The names of segments as people know them, else the provider's ids.
_NAMES = """
(SELECT string_agg(coalesce(
            (SELECT managed.name FROM newsletter_managedsegment managed
              WHERE managed.segment_id = one.id AND managed.brand_id = {table}.brand_id LIMIT 1),
            (SELECT tier.name FROM newsletter_tier tier
              WHERE tier.segment_id = one.id AND tier.brand_id = {table}.brand_id LIMIT 1),
            one.id), ', ')
   FROM unnest({segments}) one (id))
"""


def _names(table: str, segments: str) -> RawSQL:
    return RawSQL(_NAMES.format(table=table, segments=segments), [])  # noqa: S611 - text of ours


class DriftFilter(SimpleListFilter):
    """Where the provider has something else than what is wished."""

    title = "provider"
    parameter_name = "drift"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "has something else")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return drift.only_drifted(queryset) if self.value() == "yes" else queryset


@admin.register(SegmentWish)
class SegmentWishAdmin(ReadOnlyAdmin):
    """One row a contact. What the provider has is what the last `sync_segments` saw."""

    list_display = (
        "contact",
        "shown_state",
        "shown_target",
        "shown_known",
        "shown_seen",
        "score",
        "waiting_since",
        "attempts",
        "last_error",
    )
    list_filter = (BrandFilter, "state", DriftFilter)
    list_select_related = ("contact",)
    search_fields = ("contact__address__startswith",)
    search_help_text = "Beginning of an address."
    ordering = ("contact",)
    actions = ("repair",)
    fieldsets = (
        (
            "Wished",
            {
                "fields": (
                    "contact",
                    "shown_target",
                    "score",
                    "mode",
                    "wished_at",
                    "version",
                    "done_version",
                    "topics_version",
                    "topics_done_version",
                )
            },
        ),
        (
            "At the provider",
            {
                "fields": (
                    "account",
                    "provider_contact_id",
                    "shown_known",
                    "known_at",
                    "shown_seen",
                    "seen_at",
                    "known_unsubscribed",
                    "known_topics",
                )
            },
        ),
        (
            "Work",
            {
                "fields": (
                    "shown_state",
                    "waiting_since",
                    "due_at",
                    "called_at",
                    "attempts",
                    "throttles",
                    "last_error",
                    "correlation_id",
                )
            },
        ),
    )
    readonly_fields = ("shown_state", "shown_target", "shown_known", "shown_seen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        named: QuerySet[Any] = rows.annotate(
            target_names=_names(WISHES, f"ARRAY[{WISHES}.target_segment::text]"),
            known_names=_names(WISHES, f"{WISHES}.known_segments"),
            seen_names=_names(WISHES, f"{WISHES}.seen_segments"),
        )
        return named

    @display(description="state", label=_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, wish: SegmentWish) -> str:
        return wish.get_state_display()

    @admin.display(description="wished segment")
    def shown_target(self, wish: Any) -> str:
        if not wish.version:
            return "-"
        return wish.target_names if wish.target_segment else "none"

    @admin.display(description="known to have")
    def shown_known(self, wish: Any) -> str:
        return "not known" if wish.known_segments is None else wish.known_names or "none"

    @admin.display(description="last seen in")
    def shown_seen(self, wish: Any) -> str:
        return "not compared" if wish.seen_segments is None else wish.seen_names or "none"

    @admin.action(description="Repair: list anew and put right")
    def repair(self, request: HttpRequest, rows: QuerySet[SegmentWish]) -> None:
        for brand_id in rows.order_by().values_list("brand_id", flat=True).distinct():
            rights.require(request.user, Right.REDRIVE, brand_id=brand_id)
        contacts = list(rows.values_list("pk", flat=True))
        repaired = 0
        for start in range(0, len(contacts), REPAIRED_AT_ONCE):
            repaired += drift.repair(contact_ids=contacts[start : start + REPAIRED_AT_ONCE])
        self.message_user(request, f"{repaired} will be put right by the segment queue.")


@admin.register(SegmentPass)
class SegmentPassAdmin(ReadOnlyAdmin):
    """What each pass came to; kept for some months."""

    list_display = (
        "ended_at",
        "contact_id",
        "shown_outcome",
        "mode",
        "score",
        "shown_before",
        "shown_after",
        "calls",
        "latency_ms",
        "retries",
        "throttles",
    )
    list_filter = (BrandFilter, "outcome")
    search_fields = ("=contact_id", "=correlation_id")
    search_help_text = "The number of a contact, or a correlation id."
    ordering = ("-id",)
    fields = (
        "contact_id",
        "brand",
        "shown_outcome",
        "mode",
        "score",
        "shown_before",
        "shown_after",
        "calls",
        "latency_ms",
        "retries",
        "throttles",
        "error",
        "correlation_id",
        "wished_at",
        "started_at",
        "ended_at",
    )
    readonly_fields = ("shown_outcome", "shown_before", "shown_after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        named: QuerySet[Any] = rows.annotate(
            before_names=_names(PASSES, f"{PASSES}.segments_before"),
            after_names=_names(PASSES, f"{PASSES}.segments_after"),
        )
        return named

    @display(description="outcome", label=_TONES)  # type: ignore[untyped-decorator]
    def shown_outcome(self, row: SegmentPass) -> str:
        return row.get_outcome_display()

    @admin.display(description="segments before")
    def shown_before(self, row: Any) -> str:
        return "not known" if row.segments_before is None else row.before_names or "none"

    @admin.display(description="segments after")
    def shown_after(self, row: Any) -> str:
        return "not known" if row.segments_after is None else row.after_names or "none"


@admin.register(ManagedSegment)
class ManagedSegmentAdmin(BrandScopedAdmin):
    """Segments that the station fills, beside those of the tiers. No other is ever taken away."""

    change_right = Right.ADMINISTER
    list_display = ("name", "segment_id", "brand", "account", "created_at")
    list_filter = (BrandFilter,)
    list_select_related = ("brand", "account")
    ordering = ("brand__name", "name")
    fields = ("brand", "account", "name", "segment_id")


@admin.register(ProviderTopic)
class ProviderTopicAdmin(BrandScopedAdmin):
    """Which topics are told to the provider, and what they are called there."""

    brand_lookup = "topic__brand_id"
    change_right = Right.ADMINISTER
    list_display = ("topic", "provider_topic_id", "account")
    list_select_related = ("topic", "account")
    ordering = ("topic__name",)
    fields = ("topic", "account", "provider_topic_id")

"""Tiers, what things are worth, and why a person has the score they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.template.response import TemplateResponse
from django.urls import path

from apps.brands import rights
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.rights import Right
from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import Contact
from apps.newsletter.engagement.explaining import explain, rule_in_words
from apps.newsletter.models import ScoreRule, Tier

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

# Brands of an installation that may know one address; more are not shown.
SHOWN_AT_MOST = 20


@admin.register(Tier)
class TierAdmin(BrandScopedAdmin):
    """Changed tiers are filled at night, or by `manage.py recompute_engagement`."""

    list_display = ("name", "brand", "min_score", "slug", "segment_id")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    search_fields = ("name", "slug")
    ordering = ("brand__name", "-min_score")
    fields = ("brand", "name", "slug", "min_score", "segment_id")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> list[Any]:
        # Contacts, sequences and audiences name a tier by brand and slug.
        settled = ["brand", "slug"] if obj else []
        return [*settled, *super().get_readonly_fields(request, obj)]

    def get_prepopulated_fields(
        self, _request: HttpRequest, obj: Tier | None = None
    ) -> dict[str, Any]:
        return {} if obj else {"slug": ("name",)}


class ScoreRuleForm(ModelForm):
    def clean_points(self) -> int:
        points = int(self.cleaned_data["points"])
        if not points:
            raise forms.ValidationError(
                "A rule of 0 points changes nothing: switch it off instead."
            )
        return points


@admin.register(ScoreRule)
class ScoreRuleAdmin(BrandScopedAdmin):
    """Each in a sentence; the preview adds them up for one person."""

    form = ScoreRuleForm
    list_display = ("signal", "brand", "points", "window_days", "enabled", "in_words")
    list_filter = (BrandFilter, "enabled")
    list_select_related = ("brand",)
    ordering = ("brand__name", "-points", "signal")
    fields = (
        "brand",
        "signal",
        "points",
        "window_days",
        "half_life_days",
        "most_points",
        "enabled",
        "in_words",
    )
    readonly_fields = ("in_words",)
    actions = None
    list_before_template = "admin/newsletter/engagement/list_tools.html"

    @admin.display(description="in words")
    def in_words(self, rule: ScoreRule) -> str:
        return rule_in_words(rule) if rule.pk else "Told once it is saved."

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview)
        own = path("preview/", preview, name="newsletter_scorerule_preview")
        return [own, *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Why somebody has their score, by the rules as they are now; three queries a contact."""
        asked = request.GET.get("address", "").strip()
        fault, contacts = "", []
        if asked:
            try:
                contacts = self._contacts(request, normalise(asked).address)
            except InvalidAddressError as error:
                fault = str(error)
        return TemplateResponse(
            request,
            "admin/newsletter/engagement/preview.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Why somebody has their score",
                "asked": asked,
                "fault": fault,
                "found": [(contact, explain(contact)) for contact in contacts],
            },
        )

    def _contacts(self, request: HttpRequest, address: str) -> list[Contact]:
        seen = rights.brand_ids(request.user, Right.VIEW)
        rows = Contact.objects.with_addresses([address]).filter(brand_id__in=seen)
        return list(rows.select_related("brand").order_by("brand__name")[:SHOWN_AT_MOST])

"""The list of campaigns, and where the pages of one campaign hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import Http404
from django.urls import path

from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.campaigns.admin import audiences, checks, contents, drafts, dry_runs, launches, watching
from apps.campaigns.models import Campaign

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

    from apps.campaigns.admin.pages import CampaignPage

# Each gives `urls(desk)`; those of `watching` are for launched campaigns.
_ROOMS = (drafts, contents, audiences, checks, dry_runs, launches, watching)


@admin.register(Campaign)
class CampaignAdmin(BrandScopedAdmin):
    """Drafts lead to the desk, launched ones to what became of them."""

    list_display = ("name", "brand")
    list_filter = (BrandFilter,)
    list_select_related = ("brand", "mailing")
    search_fields = ("name", "slug")
    ordering = ("-pk",)
    actions = None

    def get_urls(self) -> list[URLPattern]:
        pages = [page for room in _ROOMS for page in room.urls(self)]
        return [*pages, *super().get_urls()]

    def page(self, route: str, view: type[CampaignPage], name: str) -> URLPattern:
        """A page below `<id>/`, behind the log-in of admin."""
        return path(
            f"<int:campaign_id>/{route}",
            self.admin_site.admin_view(view.as_view(desk=self)),
            name=f"campaigns_campaign_{name}",
        )

    def campaign_or_404(self, request: HttpRequest, campaign_id: int) -> Campaign:
        """Of a brand that the user may view; with its parts, in one query."""
        seen: QuerySet[Campaign] = self.get_queryset(request)
        campaign = seen.select_related(*Campaign.PARTS).filter(pk=campaign_id).first()
        if campaign is None:
            raise Http404(f"There is no campaign {campaign_id}.")
        return campaign

    def launched_or_404(self, request: HttpRequest, campaign_id: int) -> Campaign:
        campaign = self.campaign_or_404(request, campaign_id)
        if campaign.mailing is None:
            raise Http404(f"Campaign {campaign_id} was not launched.")
        return campaign

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Drafts are deleted by their own page, with what belongs to them."""
        return False

"""Pages of a launched campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.template.response import TemplateResponse
from django.urls import path

from apps.campaigns.admin.pages import page_context
from apps.mail.results import progress

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    """Joined to the campaign's other addresses; a launched campaign's page leads to `watch/`."""

    def watch(request: HttpRequest, campaign_id: int) -> HttpResponse:
        campaign = desk.launched_or_404(request, campaign_id)
        seen = progress(campaign.mailing) if campaign.mailing else None
        context = page_context(desk, request, campaign, title=campaign.name, progress=seen)
        return TemplateResponse(request, "admin/campaigns/watch.html", context)

    return [
        path(
            "<int:campaign_id>/watch/",
            desk.admin_site.admin_view(watch),
            name="campaigns_campaign_watch",
        ),
    ]

"""The list of campaigns, and where the pages of one campaign hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import Http404
from django.template.loader import render_to_string
from django.urls import path

from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.campaigns import local_times
from apps.campaigns.admin import audiences, checks, contents, drafts, dry_runs, launches, watching
from apps.campaigns.models import DRAFT, MISSED, SCHEDULED, Campaign
from apps.campaigns.overview import Glance, glances
from apps.mail.models import Mailing

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from apps.campaigns.admin.pages import CampaignPage
else:
    from unfold.views import ChangeList

# Each gives `urls(desk)`; those of `watching` are for launched campaigns.
_ROOMS = (drafts, contents, audiences, checks, dry_runs, launches, watching)


class StateFilter(admin.SimpleListFilter):
    """By what an operator calls the state: `draft` to `completed`."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in (DRAFT, SCHEDULED, MISSED, *Mailing.State.values)]

    def queryset(self, _request: HttpRequest, campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
        waiting = {"mailing": None}
        match self.value():
            case None:
                return campaigns
            case "draft":
                return campaigns.filter(**waiting, scheduled_at=None)
            case "scheduled":
                return campaigns.filter(**waiting, missed_at=None, scheduled_at__isnull=False)
            case "missed":
                return campaigns.filter(**waiting, missed_at__isnull=False)
            case state:
                return campaigns.filter(mailing__state=state)


class CampaignList(ChangeList):
    """Reads the progress of all campaigns on the page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        campaigns: list[Campaign] = list(self.result_list)
        found = glances([one.mailing_id for one in campaigns if one.mailing_id is not None])
        for campaign in campaigns:
            setattr(campaign, _GLANCE, found.get(campaign.mailing_id or 0))
        self.result_list = campaigns


def glance_of(campaign: Campaign) -> Glance | None:
    """What `CampaignList` put there; None for drafts."""
    glance: Glance | None = getattr(campaign, _GLANCE, None)
    return glance


_GLANCE = "_glance"


@admin.register(Campaign)
class CampaignAdmin(BrandScopedAdmin):
    """Drafts lead to the desk, launched ones to what became of them."""

    list_display = ("name", "brand", "shown_state", "when", "progress", "rate", "left")
    list_filter = (BrandFilter, StateFilter)
    list_select_related = ("brand", "mailing")
    search_fields = ("name", "slug")
    ordering = ("-pk",)
    actions = None

    class Media:
        css = {"all": ("campaigns/desk.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        return CampaignList

    @admin.display(description="state")
    def shown_state(self, campaign: Campaign) -> SafeString:
        return render_to_string("admin/campaigns/badge.html", {"state": campaign.state})

    @admin.display(description="when")
    def when(self, campaign: Campaign) -> str:
        """The launch, or the start it waits for, in the brand's zone."""
        time = campaign.launched_at or campaign.scheduled_at
        return local_times.shown(time, zone=campaign.brand.timezone) if time else "-"

    @admin.display(description="progress")
    def progress(self, campaign: Campaign) -> SafeString | str:
        glance = glance_of(campaign)
        if glance is None:
            return "-"
        return render_to_string("admin/campaigns/progress.html", {"glance": glance})

    @admin.display(description="rate")
    def rate(self, campaign: Campaign) -> str:
        glance = glance_of(campaign)
        return f"{glance.per_second:,.0f}/s" if glance and glance.per_second else "-"

    @admin.display(description="time left")
    def left(self, campaign: Campaign) -> str:
        glance = glance_of(campaign)
        return str(glance.left) if glance and glance.left else "-"

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

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Drafts are deleted by their own page, with what belongs to them."""
        return False

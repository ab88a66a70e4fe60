"""What all pages of one campaign have in common: who may see them, and the steps at their top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.http import HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from apps.brands.acting import user_actor
from apps.brands.rights import Right
from apps.campaigns.errors import CampaignError
from apps.contacts.errors import ContactsError
from apps.mail.errors import MailError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from apps.campaigns.admin.campaigns import CampaignAdmin
    from apps.campaigns.models import Campaign

# What services refuse, in words for the operator.
REFUSALS = (CampaignError, MailError, ContactsError)

_STEPS = (
    ("change", "Draft"),
    ("content", "Content"),
    ("audience", "Audience"),
    ("check", "Check"),
    ("dry_run", "Dry run"),
    ("launch", "Launch"),
)


@dataclass(frozen=True)
class Step:
    """One of the pages from draft to launch."""

    name: str
    title: str
    url: str
    is_current: bool
    number: int


def page_url(campaign_id: int, name: str) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign_id])


def steps(campaign_id: int, current: str) -> list[Step]:
    return [
        Step(name, title, page_url(campaign_id, name), name == current, number)
        for number, (name, title) in enumerate(_STEPS, start=1)
    ]


def page_context(
    desk: CampaignAdmin, request: HttpRequest, campaign: Campaign, **more: Any
) -> dict[str, Any]:
    """What admin's frame and the templates below `admin/campaigns` read."""
    rights = {
        f"may_{right.value}": desk.allows(request, right, campaign)
        for right in (Right.EDIT, Right.LAUNCH, Right.APPROVE, Right.EXPORT)
    }
    return {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "campaign": campaign,
        "title": campaign.name,
        **rights,
        **more,
    }


class CampaignPage(View):
    """A page of one campaign; a POST needs `change_right` on its brand.

    A launched campaign has left the desk: its pages lead to `watch/`, and POSTs say so.
    """

    desk: ClassVar[Any] = None  # given to `as_view`
    step = ""
    template_name = ""
    change_right = Right.EDIT
    for_launched = False
    campaign: Campaign

    def dispatch(
        self, request: HttpRequest, *args: Any, campaign_id: int, **kwargs: Any
    ) -> HttpResponseBase:
        self.campaign = self.desk.campaign_or_404(request, campaign_id)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self.desk.require(request, self.change_right, self.campaign)
        if self.campaign.mailing_id is not None and not self.for_launched:
            return self._gone(request)
        try:
            return super().dispatch(request, *args, **kwargs)
        except REFUSALS as refusal:
            return self.refused(request, refusal)

    def _gone(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            messages.warning(request, "The campaign was launched: it cannot be changed any more.")
        return HttpResponseRedirect(page_url(self.campaign.pk, "watch"))

    def refused(self, request: HttpRequest, refusal: Exception) -> HttpResponse:
        """Says why, on the page it happened on. Pages with a form show it there instead."""
        messages.error(request, str(refusal))
        return HttpResponseRedirect(page_url(self.campaign.pk, self.step))

    @property
    def actor(self) -> str:
        return user_actor(self.request.user)

    def show(self, *, status: int = 200, **context: Any) -> HttpResponse:
        """The page with `context`."""
        more = {"steps": steps(self.campaign.pk, self.step), "step": self.step, **context}
        return TemplateResponse(
            self.request,
            self.template_name,
            page_context(self.desk, self.request, self.campaign, **more),
            status=status,
        )

    def go_to(self, step: str, said: str = "") -> HttpResponse:
        if said:
            messages.success(self.request, said)
        return HttpResponseRedirect(page_url(self.campaign.pk, step))


class CampaignAnswer(CampaignPage):
    """JSON for a script of a page; refusals are 400 with the words under `error`."""

    def refused(self, _request: HttpRequest, refusal: Exception) -> JsonResponse:
        return JsonResponse({"error": str(refusal)}, status=400)

"""What stands against a launch, and test mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from apps.campaigns import checking, trial_mails
from apps.campaigns.admin.pages import REFUSALS, CampaignPage
from apps.campaigns.domains import PacedDomains
from apps.campaigns.errors import InvalidTestError
from apps.contacts.addresses import normalise
from apps.contacts.models import Contact

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin

LONGEST_LIST = 4_000


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    return [desk.page("check/", CheckPage, "check")]


class TrialForm(forms.Form):
    """Where test mails go, and as whom."""

    addresses = forms.CharField(
        label="To",
        max_length=LONGEST_LIST,
        help_text=f"Up to {trial_mails.MOST_ADDRESSES} addresses, one a line.",
        widget=forms.Textarea(attrs={"class": "desk-input", "rows": 3}),
    )
    contact = forms.CharField(
        label="As this contact",
        required=False,
        max_length=254,
        help_text="The address of one of the brand's contacts; empty: as somebody unknown.",
        widget=forms.EmailInput(attrs={"class": "desk-input"}),
    )


class CheckPage(CampaignPage):
    """All checks of a launch on GET; a POST sends test mails."""

    step = "check"
    template_name = "admin/campaigns/check.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        return self._show(TrialForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = TrialForm(request.POST)
        if form.is_valid():
            try:
                sent = trial_mails.send_test(
                    campaign_id=self.campaign.pk,
                    addresses=form.cleaned_data["addresses"].replace(",", "\n").splitlines(),
                    contact_id=self._contact(form.cleaned_data["contact"]),
                    actor=self.actor,
                )
            except REFUSALS as refusal:
                form.add_error(None, str(refusal))
            else:
                return self.go_to("check", f"{len(sent)} test mails are on their way.")
        return self._show(form)

    def _contact(self, address: str) -> int | None:
        if not address:
            return None
        found = Contact.objects.of_brand(self.campaign.brand_id).with_addresses(
            [normalise(address).address]
        )
        contact_id = found.values_list("pk", flat=True).first()
        if contact_id is None:
            raise InvalidTestError("contact: the brand has no contact with this address.")
        return contact_id

    def _show(self, form: TrialForm) -> HttpResponse:
        problems = checking.check(self.campaign, PacedDomains(self.campaign.sender.account))
        return self.show(
            form=form,
            blocking=[problem for problem in problems if problem.blocking],
            hints=[problem for problem in problems if not problem.blocking],
        )

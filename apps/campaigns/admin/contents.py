"""Writing subject and texts beside their preview, as any contact would see them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import JsonResponse

from apps.brands.rights import Right
from apps.campaigns import drafting, previewing
from apps.campaigns.admin.pages import REFUSALS, CampaignAnswer, CampaignPage
from apps.campaigns.models import Campaign
from apps.campaigns.previewing import Preview, Texts
from apps.contacts.models import Contact

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.brands.models import Sender
    from apps.campaigns.admin.campaigns import CampaignAdmin

LONGEST_SUBJECT = 500
LONGEST_PART = 1_000_000


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    return [
        desk.page("content/", ContentPage, "content"),
        desk.page("preview/", PreviewAnswer, "preview"),
        desk.page("people/", PeopleAnswer, "people"),
    ]


class ContentForm(forms.Form):
    """Texts are taken as they are: spaces at their ends may be meant."""

    subject = forms.CharField(
        max_length=LONGEST_SUBJECT, widget=forms.TextInput(attrs={"class": "desk-input"})
    )
    html = forms.CharField(
        label="HTML",
        max_length=LONGEST_PART,
        strip=False,
        widget=forms.Textarea(
            attrs={"class": "desk-input desk-source", "spellcheck": "false", "rows": 24}
        ),
    )
    text = forms.CharField(
        required=False,
        max_length=LONGEST_PART,
        strip=False,
        help_text="Made from the HTML where it is left empty.",
        widget=forms.Textarea(attrs={"class": "desk-input desk-source desk-short", "rows": 6}),
    )

    def texts(self) -> Texts:
        given = self.cleaned_data
        return Texts(given["subject"], _lines(given["html"]), _lines(given["text"]))


def _lines(text: str) -> str:
    """Forms send two signs at the end of a line; the author sees one."""
    return text.replace("\r\n", "\n")


class ContentPage(CampaignPage):
    step = "content"
    template_name = "admin/campaigns/content.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        template = self.campaign.template
        texts = Texts(template.subject, template.html, template.text)
        form = ContentForm(initial=asdict(texts))
        return self._show(form, texts)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ContentForm(request.POST)
        if not form.is_valid():
            return self._show(form, None)
        texts = form.texts()
        try:
            drafting.change_content(campaign_id=self.campaign.pk, actor=self.actor, **asdict(texts))
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self._show(form, texts)
        if "stay" in request.POST:
            return self.go_to("content", "Saved.")
        return self.go_to("audience", "Saved.")

    def _show(self, form: ContentForm, texts: Texts | None) -> HttpResponse:
        person = next(
            iter(previewing.find_people(brand_id=self.campaign.brand_id, prefix="")), None
        )
        seen = made(texts, self.campaign.sender, self.campaign.name, person) if texts else None
        shared = (
            Campaign.objects.drafts()
            .filter(template_id=self.campaign.template_id)
            .exclude(pk=self.campaign.pk)
        )
        return self.show(
            form=form,
            preview=seen,
            person=person,
            shared=list(shared.only("pk", "name")[:5]),
            clipped_from_kb=previewing.CLIPPED_FROM_KB,
        )


def made(texts: Texts, sender: Sender, campaign_name: str, person: Contact | None) -> Preview:
    return previewing.preview(
        texts=texts,
        sender=sender,
        campaign_name=campaign_name,
        contact_id=person.pk if person else None,
    )


class PreviewAnswer(CampaignAnswer):
    """What is typed and not saved yet, as JSON; a POST because it may be large."""

    step = "content"
    change_right = Right.VIEW
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return preview_answer(request, self.campaign.sender, self.campaign.name)


def preview_answer(request: HttpRequest, sender: Sender, campaign_name: str) -> JsonResponse:
    form = ContentForm(request.POST)
    if not form.is_valid():
        wrong = "; ".join(
            f"{name}: {' '.join(map(str, told))}" for name, told in form.errors.items()
        )
        return JsonResponse({"error": wrong}, status=400)
    typed = request.POST.get("contact", "")
    try:
        seen = previewing.preview(
            texts=form.texts(),
            sender=sender,
            campaign_name=campaign_name,
            contact_id=int(typed) if typed.isascii() and typed.isdigit() else None,
        )
    except Contact.DoesNotExist:
        return JsonResponse({"error": "The contact is gone: choose another one."}, status=400)
    return JsonResponse(asdict(seen))


class PeopleAnswer(CampaignAnswer):
    """Contacts by the beginning of their address."""

    step = "content"

    def get(self, request: HttpRequest) -> HttpResponse:
        return people_answer(request, self.campaign.brand_id)


def people_answer(request: HttpRequest, brand_id: int) -> JsonResponse:
    found = previewing.find_people(brand_id=brand_id, prefix=request.GET.get("q", "")[:254])
    return JsonResponse({"people": [_named(contact) for contact in found]})


def _named(contact: Contact) -> dict[str, Any]:
    name = f"{contact.first_name} {contact.last_name}".strip()
    return {"id": contact.pk, "label": f"{contact.email} ({name})" if name else contact.email}

"""Making a draft, its name and sender, duplicating it and throwing it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views import View
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.models import Sender
from apps.brands.rights import Right
from apps.campaigns import drafting, starters
from apps.campaigns.admin.pages import REFUSALS, CampaignPage, page_url
from apps.mail.admin.live import actor_in_words
from apps.mail.models import Template

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin
    from apps.campaigns.models import Campaign


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    new = desk.admin_site.admin_view(NewDraft.as_view(desk=desk))
    return [
        path("add/", new, name="campaigns_campaign_add"),
        desk.page("change/", DraftPage, "change"),
        desk.page("duplicate/", DuplicatePage, "duplicate"),
        desk.page("delete/", DeletePage, "delete"),
    ]


if TYPE_CHECKING:
    _SenderChoice = forms.ModelChoiceField[Sender]
    _TemplateChoice = forms.ModelChoiceField[Template]
else:
    _SenderChoice = _TemplateChoice = forms.ModelChoiceField


class SenderField(_SenderChoice):
    """Senders by name and address, with their brand."""

    def label_from_instance(self, sender: Sender) -> str:
        return f"{sender.brand.name}: {sender}"


class TemplateField(_TemplateChoice):
    def label_from_instance(self, template: Template) -> str:
        return f"{template.brand.name}: {template.slug} ({template.subject})"


class DraftForm(forms.Form):
    """What a draft is called and who it comes from."""

    name = forms.CharField(
        max_length=drafting.NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="Templates see it as campaign.name.",
    )
    sender = SenderField(queryset=Sender.objects.none(), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, senders: QuerySet[Sender], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["sender"]
        field.queryset = senders.select_related("brand").order_by("brand__name", "email")


class NewDraftForm(DraftForm):
    template = TemplateField(
        queryset=Template.objects.none(),
        required=False,
        label="Texts",
        empty_label="A plain letter to begin with",
        widget=UnfoldAdminSelectWidget,
        help_text="They are copied: writing on here changes no other campaign.",
    )

    def __init__(self, *args: Any, templates: QuerySet[Template], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["template"]
        field.queryset = templates.select_related("brand").order_by("brand__name", "slug")

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        template, sender = cleaned.get("template"), cleaned.get("sender")
        if template and sender and template.brand_id != sender.brand_id:
            self.add_error("template", ValidationError("Choose one of the sender's brand."))
        return cleaned


class NewDraft(View):
    """`add/`: name, sender and texts; the rest comes step by step."""

    desk: Any = None

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(self._form(request))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request)
        if form.is_valid():
            try:
                campaign = _create(form.cleaned_data, user_actor(request.user))
            except REFUSALS as refusal:
                form.add_error(None, str(refusal))
            else:
                return HttpResponseRedirect(page_url(campaign.pk, "content"))
        return self._show(form)

    def _form(self, request: HttpRequest) -> NewDraftForm:
        brands = rights.brand_ids(request.user, Right.EDIT)
        if not brands:
            raise rights.RightMissingError("You need the right “edit” on a brand to make drafts.")
        senders = Sender.objects.filter(brand_id__in=brands)
        default = senders.filter(is_default=True).first()
        return NewDraftForm(
            request.POST or None,
            senders=senders,
            templates=Template.objects.filter(brand_id__in=brands),
            initial={"sender": default, **request.GET.dict()},
        )

    def _show(self, form: NewDraftForm) -> HttpResponse:
        context = {
            **self.desk.admin_site.each_context(self.request),
            "opts": self.desk.opts,
            "title": "New campaign",
            "form": form,
        }
        return TemplateResponse(self.request, "admin/campaigns/new.html", context)


def _create(given: dict[str, Any], actor: str) -> Campaign:
    sender, template = given["sender"], given["template"]
    slug = drafting.free_slug(sender.brand, given["name"])
    with transaction.atomic():
        own = drafting.write_template(
            brand=sender.brand,
            slug=slug,
            subject=template.subject if template else starters.SUBJECT,
            html=template.html if template else starters.HTML,
            text=template.text if template else "",
            actor=actor,
        )
        return drafting.create_campaign(
            brand=sender.brand,
            sender=sender,
            template=own,
            name=given["name"],
            audience=starters.AUDIENCE,
            slug=slug,
            actor=actor,
        )


class DraftPage(CampaignPage):
    """`<id>/change/`: the first step, and where the list leads to."""

    step = "change"
    template_name = "admin/campaigns/draft.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        campaign = self.campaign
        form = self._form(initial={"name": campaign.name, "sender": campaign.sender})
        return self._show(form)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if not form.is_valid():
            return self._show(form)
        try:
            drafting.change_details(
                campaign_id=self.campaign.pk, actor=self.actor, **form.cleaned_data
            )
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self._show(form)
        return self.go_to("content", "Saved.")

    def _show(self, form: DraftForm) -> HttpResponse:
        return self.show(form=form, authors=[actor_in_words(one) for one in self.campaign.authors])

    def _form(self, *args: Any, **kwargs: Any) -> DraftForm:
        senders = Sender.objects.filter(brand_id=self.campaign.brand_id)
        return DraftForm(*args, senders=senders, **kwargs)


class DuplicatePage(CampaignPage):
    """`<id>/duplicate/`, also of a launched campaign; only by POST."""

    step = "change"
    for_launched = True
    http_method_names = ["post"]

    def post(self, _request: HttpRequest) -> HttpResponse:
        copy = drafting.duplicate_campaign(campaign_id=self.campaign.pk, actor=self.actor)
        self.campaign = copy
        return self.go_to("change", "This is the copy: a draft with texts of its own.")


class DeletePage(CampaignPage):
    """`<id>/delete/`: asks first."""

    step = "change"
    template_name = "admin/campaigns/delete.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        return self.show()

    def post(self, request: HttpRequest) -> HttpResponse:
        drafting.delete_draft(campaign_id=self.campaign.pk, actor=self.actor)
        self.desk.message_user(request, f"The draft “{self.campaign.name}” is deleted.")
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_changelist"))

"""Campaigns of texts and their messages; what became of them; the brand's days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminURLInputWidget

from apps.brands import rights
from apps.brands.admin.bases import ModelForm
from apps.brands.admin.scoped import BrandFilter, BrandScopedInline
from apps.brands.models import Brand, ProviderAccount
from apps.brands.rights import Right
from apps.sms import config, figures, reporting, zones
from apps.sms.admin import charts
from apps.sms.admin.pages import TextsAdmin
from apps.sms.calling import singles
from apps.sms.choosing.reasons import WORDING
from apps.sms.composing import preview
from apps.sms.lime import Kind
from apps.sms.models import TextCampaign, TextLink, TextMessage
from apps.sms.tracking.links import free_slot
from apps.sms.wording import WordingError, compiled

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

_TOLD = {
    Kind.ACCEPTED: (messages.SUCCESS, "The provider took the test text."),
    Kind.AMBIGUOUS: (messages.WARNING, "Nobody knows whether the test text went out"),
}


@admin.register(TextCampaign)
class TextCampaignAdmin(TextsAdmin):
    list_display = ("name", "brand", "state", "weekly_cap", "starts_at", "ends_at", "figures_link")
    list_filter = ("state", BrandFilter)
    list_select_related = ("brand",)
    list_before_template = "admin/sms/campaign_tools.html"
    fields = ("brand", "name", "state", "weekly_cap", "total_cap", "starts_at", "ends_at")
    search_fields = ("name",)

    @admin.display(description="figures")
    def figures_link(self, row: TextCampaign) -> SafeString:
        address = reverse("admin:sms_textcampaign_figures", args=[row.pk])
        return format_html('<a href="{}">Messages and figures</a>', address)

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # the sent log tells of it: it is ended

    def get_readonly_fields(self, _request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("brand",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("days/<int:brand_id>/", wrap(self.days), name=self.name("days")),
            path("<int:campaign_id>/figures/", wrap(self.figures), name=self.name("figures")),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        seen = rights.brand_ids(request.user, Right.VIEW)
        brands = Brand.objects.filter(pk__in=seen).order_by("name")
        return super().changelist_view(request, {"brands": brands, **(extra_context or {})})

    def figures(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """Each message: what became of its texts, and what they brought."""
        campaign = self.find(request, str(campaign_id))
        return self.page(
            request,
            "figures.html",
            title=campaign.name,
            row=campaign,
            campaign=campaign,
            figures=reporting.campaign_messages(campaign.pk),
            may_edit=self.allows(request, Right.EDIT, campaign),
        )

    def days(self, request: HttpRequest, brand_id: int) -> HttpResponse:
        """The brand's last thirty days, and why people get no text in this minute."""
        rights.require(request.user, Right.VIEW, brand_id=brand_id)
        brand = get_object_or_404(Brand, pk=brand_id)
        days = reporting.brand_days(brand_id)
        reasons = reporting.today_by_reason(brand_id)
        return self.page(
            request,
            "days.html",
            title=f"Texts of {brand}",
            brand=brand,
            settings_now=config.read(brand_id),
            charts=_charts(days),
            reasons=[(WORDING.get(name, name), number) for name, number in reasons.items()],
        )


def _charts(days: list[reporting.Day]) -> list[charts.Chart]:
    def of_state(state: str) -> list[tuple[Any, int]]:
        return [(one.day, one.texts.get(state, 0)) for one in days]

    return [
        charts.bars("Sent", of_state("sent"), tone="good"),
        charts.bars("Unknown", of_state("unknown"), tone="warn"),
        charts.bars("Failed", of_state("failed"), tone="bad"),
        charts.bars("Opted out", [(one.day, one.left) for one in days], tone="bad"),
        charts.bars("Clicks", [(one.day, one.clicks) for one in days], tone="good"),
        charts.bars(
            "Revenue", [(one.day, one.revenue) for one in days], tone="good", unit=reporting.unit()
        ),
    ]


class LinkForm(ModelForm):
    url = forms.URLField(
        max_length=2000, assume_scheme="https", widget=UnfoldAdminURLInputWidget, label="URL"
    )

    class Meta:
        model = TextLink
        fields = ("name", "url")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        if not url.lower().startswith(("http://", "https://")):
            raise ValidationError("Must begin with http:// or https://.")
        return url


class LinkInline(BrandScopedInline):
    """A link that was sent stays, for its codes are in people's phones; it may lead elsewhere."""

    model = TextLink
    form = LinkForm
    verbose_name = "tracked link"
    max_num = 16

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        was_sent = obj is not None and figures.was_ever_reserved(message_id=obj.pk)
        return not was_sent and super().has_delete_permission(request, obj)


class TextMessageForm(ModelForm):
    class Meta:
        model = TextMessage
        exclude = ("brand", "created_at")

    def clean_body(self) -> str:
        body = str(self.cleaned_data["body"])
        try:
            compiled(body)
        except WordingError as error:
            raise ValidationError(str(error).removeprefix("body: ")) from error
        return body


@admin.register(TextMessage)
class TextMessageAdmin(TextsAdmin):
    form = TextMessageForm
    inlines = (LinkInline,)
    list_display = ("__str__", "campaign", "brand", "active", "weight", "valid_from", "valid_until")
    list_filter = ("active", BrandFilter)
    list_select_related = ("campaign", "brand")
    search_fields = ("name", "campaign__name")
    change_form_before_template = "admin/sms/message_preview.html"
    change_form_outer_after_template = "admin/sms/message_test.html"

    class Media:
        css = {"all": ("sms/texts.css",)}
        js = ("sms/message.js",)

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # the sent log tells of it: it is made inactive

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("measure/", wrap(require_POST(self.measure)), name=self.name("measure")),
            path(
                "<int:message_id>/test/", wrap(require_POST(self.send_test)), name=self.name("test")
            ),
            *super().get_urls(),
        ]

    def save_model(
        self,
        request: HttpRequest,
        obj: TextMessage,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        obj.brand_id = obj.campaign.brand_id
        super().save_model(request, obj, form, change)
        self._warn(request, obj)

    def save_formset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature, called by these names
        form: Any,
        formset: Any,
        change: bool,  # noqa: ARG002, FBT001 - as above
    ) -> None:
        for link in formset.save(commit=False):
            if link.slot is None:
                link.slot = free_slot(form.instance.pk)
            link.save()
        for link in formset.deleted_objects:
            link.delete()

    def measure(self, request: HttpRequest) -> JsonResponse:
        """The text as it would arrive, its segments, its cost; for what is typed just now."""
        wanted = request.POST.get("campaign", "")
        campaign = TextCampaign.objects.filter(pk=wanted if wanted.isdecimal() else 0)
        found = campaign.select_related("brand").first()
        if found is None:
            return JsonResponse({"problem": "Choose a campaign to see the text."})
        rights.require(request.user, Right.VIEW, brand_id=found.brand_id)
        try:
            shown = preview(
                body=request.POST.get("body", "")[:5000],
                brand=found.brand,
                link_names=request.POST.getlist("link")[:16],
            )
        except WordingError as error:
            return JsonResponse({"problem": str(error)})
        return JsonResponse(
            {
                "text": shown.text,
                "encoding": shown.length.encoding,
                "units": shown.length.units,
                "segments": shown.length.segments,
                "left": shown.length.left,
                "forcing": shown.length.forcing,
                "cost": f"{shown.thousand_cost} {shown.currency}",
            }
        )

    def send_test(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """One text to a number that the operator gives; no row of the sent log, no caps."""
        message = self.find(request, str(message_id))
        self.require(request, Right.EDIT, message)
        back = reverse("admin:sms_textmessage_change", args=[message_id])
        level, told = self._test(message, request.POST.get("phone", ""))
        self.message_user(request, told, level)
        return HttpResponseRedirect(back)

    def _test(self, message: TextMessage, phone: str) -> tuple[int, str]:
        now = config.read(message.brand_id)
        account = ProviderAccount.objects.filter(pk=now.account_id or 0).first()
        if account is None:
            return messages.ERROR, "The brand has no provider account: choose one in its settings."
        names = list(message.links.values_list("name", flat=True))
        try:
            number = zones.read_phone(phone)
            text = preview(body=message.body, brand=message.brand, link_names=names).text
        except (zones.PhoneError, WordingError) as error:
            return messages.ERROR, str(error)
        verdict = singles.send_one(
            account=account, shortcode=now.shortcode, phone=number, body=text
        )
        failed = (messages.ERROR, "The test text was not sent")
        level, told = _TOLD.get(verdict.kind, failed)
        return level, f"{told}: {verdict.reason}." if verdict.reason else told

    def _warn(self, request: HttpRequest, message: TextMessage) -> None:
        names = list(message.links.values_list("name", flat=True))
        try:
            shown = preview(body=message.body, brand=message.brand, link_names=names)
        except WordingError as error:
            self.message_user(request, str(error), messages.WARNING)
            return
        if shown.length.segments > 1:
            told = f"{shown.length.segments} segments ({shown.length.encoding})"
            price = f"{shown.thousand_cost} {shown.currency} for 1,000 texts"
            self.message_user(request, f"Saved: {told}, {price}.", messages.INFO)

"""Subscribers: the list, a person's page, and what may be done there."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.rights import Right
from apps.sms import erasing, leaving, zones
from apps.sms.admin.pages import TextsAdmin
from apps.sms.explaining import explain
from apps.sms.exporting import export_subscriber
from apps.sms.models import ChoiceRun, PhoneSuppression, Subscriber, Subscription
from apps.sms.searching import FOUND_AT_MOST, find_subscribers
from apps.sms.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

_FACTS = (
    ("Name", "name"),
    ("First name", "first_name"),
    ("Last name", "last_name"),
    ("Email", "email"),
    ("Time zone", "timezone"),
    ("State", "state"),
    ("Form", "form_title"),
    ("Source", "acq_source"),
    ("Campaign", "acq_campaign"),
    ("Medium", "acq_medium"),
    ("Last engagement", "last_engagement"),
    ("First click", "first_click_at"),
    ("First purchase", "first_purchase_at"),
    ("Last purchase", "last_purchase_at"),
)


class EraseForm(forms.Form):
    """The number, typed again, so that nobody is erased by a slip of the hand."""

    typed = forms.CharField(
        label="Type the number to confirm",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, posted: Mapping[str, Any] | None, *, phone: str) -> None:
        super().__init__(posted)
        self._phone = phone

    def clean_typed(self) -> str:
        try:
            typed = zones.read_phone(str(self.cleaned_data["typed"]))
        except zones.PhoneError:
            typed = ""
        if typed != self._phone:
            raise forms.ValidationError("This is another number. Nobody was erased.")
        return typed


@admin.register(Subscriber)
class SubscriberAdmin(TextsAdmin):
    """One number may belong to several brands: it is seen by whoever may view one of them."""

    list_display = ("phone", "name_shown", "status", "state", "timezone", "clicks", "last_seen")
    list_filter = ("status",)
    search_fields = ("phone",)  # only that there is a field: see get_search_results
    search_help_text = "The beginning of a number, or a whole email address."
    ordering = ("-pk",)
    sortable_by = ()
    actions = None

    @admin.display(description="name")
    def name_shown(self, row: Subscriber) -> str:
        return row.name or f"{row.first_name} {row.last_name}".strip()

    @admin.display(description="clicks")
    def clicks(self, row: Subscriber) -> int:
        return row.baseline_clicks + row.total_clicks

    @admin.display(description="last engagement")
    def last_seen(self, row: Subscriber) -> object:
        return row.last_engagement

    def limited(self, rows: QuerySet[Any], request: HttpRequest, right: Right) -> QuerySet[Any]:
        if self.is_superuser(request):
            return rows
        brands = rights.brand_ids(request.user, right)
        own = Subscription.objects.filter(subscriber=OuterRef("pk"), brand__in=brands)
        return rows.filter(Exists(own))

    def allows(self, request: HttpRequest, right: Right, row: Model | None = None) -> bool:
        """On one of the person's brands; to erase, on each of them."""
        if row is None or self.is_superuser(request):
            return super().allows(request, right)
        known = erasing.brand_ids_knowing(row.pk)
        held = [rights.holds(request.user, right, brand_id=one) for one in known]
        return bool(held) and (all(held) if right == Right.ERASE else any(held))

    def require(self, request: HttpRequest, right: Right, row: Model) -> None:
        if not self.allows(request, right, row):
            raise rights.RightMissingError(f"You need the right to {right.label} here.")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False  # people are added by the API, the lists and backfills

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # a person is erased, see `erase`

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = find_subscribers(search_term)
        if len(found) >= FOUND_AT_MOST:
            told = f"More than {FOUND_AT_MOST} numbers begin like this: type more of it."
            self.message_user(request, told, messages.WARNING)
        return queryset.filter(pk__in=found), False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/export/", wrap(self.export), name=self.name("export")),
            path("<path:object_id>/erase/", wrap(self.erase), name=self.name("erase")),
            path(
                "<path:object_id>/opt-out/",
                wrap(require_POST(self.opt_out)),
                name=self.name("opt_out"),
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        _form_url: str = "",
        _extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        person = self.find(request, object_id)
        brands = self._brands_seen(request, person)
        found = Subscription.objects.filter(subscriber=person, brand__in=brands)
        permissions = list(found.select_related("brand").order_by("brand__name"))
        return self.page(
            request,
            "person.html",
            title=person.phone,
            row=person,
            person=person,
            facts=[(label, _fact(getattr(person, name))) for label, name in _FACTS],
            totals=_totals(person),
            permissions=permissions,
            suppressions=PhoneSuppression.objects.filter(phone=person.phone, lifted_at=None),
            explanations=[_explained(person, one) for one in permissions],
            moments=timeline(person, brand_ids=brands),
            may_edit=self.allows(request, Right.EDIT, person),
            may_export=self.allows(request, Right.EXPORT, person),
            may_erase=self.allows(request, Right.ERASE, person),
        )

    def opt_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Of one brand, or without one of every brand on which the user may edit."""
        person = self.find(request, object_id)
        self.require(request, Right.EDIT, person)
        brand = request.POST.get("brand", "")
        own = [
            one
            for one in erasing.brand_ids_knowing(person.pk)
            if rights.holds(request.user, Right.EDIT, brand_id=one)
        ]
        leaving.opt_out_number(
            place=zones.locate(person.phone),
            brand_ids=[one for one in own if not brand or str(one) == brand],
            source=user_actor(request.user)[:100],
        )
        self.message_user(request, "They get no more texts of it.")
        return self._to_person(person.pk)

    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self.find(request, object_id)
        self.require(request, Right.EXPORT, person)
        body = json.dumps(export_subscriber(person.pk), cls=DjangoJSONEncoder, indent=2)
        name = f'attachment; filename="subscriber-{person.pk}.json"'
        return HttpResponse(
            body, content_type="application/json", headers={"Content-Disposition": name}
        )

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self.find(request, object_id)
        self.require(request, Right.ERASE, person)
        form = EraseForm(request.POST or None, phone=person.phone)
        if request.method == "POST" and form.is_valid():
            erasing.erase_subscriber(subscriber_id=person.pk, by=user_actor(request.user))
            self.message_user(
                request, "The person was erased, and an import cannot bring them back."
            )
            return HttpResponseRedirect(reverse("admin:sms_subscriber_changelist"))
        return self.page(request, "erase.html", title="Erase a person", row=person, form=form)

    def _brands_seen(self, request: HttpRequest, person: Subscriber) -> list[int]:
        known = erasing.brand_ids_knowing(person.pk)
        if self.is_superuser(request):
            return known
        return [one for one in known if rights.holds(request.user, Right.VIEW, brand_id=one)]

    def _to_person(self, subscriber_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:sms_subscriber_change", args=[subscriber_id]))


def _fact(value: object) -> str:
    return f"{value:%d %b %Y, %H:%M} UTC" if isinstance(value, datetime) else str(value or "")


def _explained(person: Subscriber, permission: Subscription) -> dict[str, Any]:
    """Whether the person would get a text of the brand now, and what speaks against it."""
    told = explain(subscriber_id=person.pk, brand_id=permission.brand_id)
    against = [one.wording for one in told.verdicts if not one.allows]
    if told.stopped_by:
        against.insert(0, str(ChoiceRun.StoppedBy(told.stopped_by).label))
    return {"brand": permission.brand, "against": against, "messages": len(told.messages)}


def _totals(person: Subscriber) -> list[tuple[str, object, object, object]]:
    """Name, together, imported, counted."""
    return [
        (name, given + counted, given, counted)
        for name, given, counted in (
            ("Clicks", person.baseline_clicks, person.total_clicks),
            ("Purchases", person.baseline_purchases, person.total_purchases),
            ("Revenue", person.baseline_revenue, person.total_revenue),
        )
    ]

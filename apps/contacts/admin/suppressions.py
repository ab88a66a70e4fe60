"""Suppressions: the list, adding by hand, the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from apps.brands import rights
from apps.brands.admin.pages import PagesAdmin
from apps.brands.admin.scoped import BrandFilter
from apps.brands.models import Brand
from apps.brands.rights import Right
from apps.contacts import digests, suppressing
from apps.contacts.addresses import is_address, normalise
from apps.contacts.admin.pages import actor
from apps.contacts.admin.suppression_forms import LiftForm, SuppressForm
from apps.contacts.errors import NotLiftableError
from apps.contacts.models import Contact, Suppression, SuppressionOrigin, SuppressionReason
from apps.contacts.searching import FOUND_AT_MOST, find_suppressions

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

CONTACTS_SHOWN = 20


class StateFilter(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _page: Any) -> list[tuple[str, str]]:
        return [("active", "suppressed"), ("lifted", "lifted")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return rows
        return rows.filter(lifted_at__isnull=self.value() == "active")


@admin.register(Suppression)
class SuppressionAdmin(PagesAdmin):
    """One that holds for all brands is seen where a brand of the user's knows the address."""

    list_display = (
        "who", "reason_shown", "holds_for", "origin_shown", "created_at", "lifted_shown"
    )  # fmt: skip
    list_filter = (BrandFilter, "reason", "origin", StateFilter)
    list_select_related = ("brand",)
    search_fields = ("address",)  # only that there is a field: see get_search_results
    search_help_text = "An address, or its beginning."
    ordering = ("-pk",)
    sortable_by = ()
    actions = None

    @admin.display(description="address")
    def who(self, one: Suppression) -> str:
        return one.address or "an erased person"

    @admin.display(description="reason")
    def reason_shown(self, one: Suppression) -> str:
        return one.get_reason_display()

    @admin.display(description="holds for")
    def holds_for(self, one: Suppression) -> str:
        return one.brand.name if one.brand else "all brands"

    @admin.display(description="by")
    def origin_shown(self, one: Suppression) -> str:
        origin = one.get_origin_display()
        return f"{origin}: {one.detail}" if one.detail else origin

    @admin.display(description="state")
    def lifted_shown(self, one: Suppression) -> SafeString:
        if one.lifted_at is None:
            return format_html('<span class="people-label bad">{}</span>', "suppressed")
        return format_html(
            '<span class="people-label">lifted</span> {} by {}',
            f"{one.lifted_at:%Y-%m-%d}",
            one.lifted_by,
        )

    list_before_template = "admin/contacts/suppression/list_tools.html"

    def limited(self, rows: QuerySet[Any], request: HttpRequest, right: Right) -> QuerySet[Any]:
        if self.is_superuser(request):
            return rows
        brands = rights.brand_ids(request.user, right)
        known = Contact.objects.filter(address=OuterRef("address"), brand__in=brands)
        # Asked row by row, by index. For an EXISTS beside an OR the database would first read all
        # contacts of the brand.
        asked: QuerySet[Any] = rows.alias(known=Subquery(known.values("pk")[:1]))
        return asked.filter(Q(brand__in=brands) | Q(brand=None, known__isnull=False))

    def allows(self, request: HttpRequest, right: Right, row: Model | None = None) -> bool:
        if isinstance(row, Suppression) and row.brand_id is None:
            return self.limited(Suppression.objects.filter(pk=row.pk), request, right).exists()
        return super().allows(request, right, row)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = find_suppressions(term)
        if len(found) >= FOUND_AT_MOST:
            told = f"More than {FOUND_AT_MOST} addresses begin like this: type more of it."
            self.message_user(request, told, messages.WARNING)
        if is_address(term) and digests.find_erased([normalise(term).address]):
            told = "The person with this address had all traces removed."
            self.message_user(request, told, messages.WARNING)
        return queryset.filter(pk__in=found), False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)  # the page itself tells what may be done

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # lifted ones stay as history

    def get_urls(self) -> list[URLPattern]:
        lift = self.admin_site.admin_view(require_POST(self.lift))
        return [
            path("<path:object_id>/lift/", lift, name=self.name("lift")),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponse:
        allowed = rights.brand_ids(request.user, Right.EDIT)
        if not allowed:
            raise rights.RightMissingError("You need the right to edit contacts of a brand.")
        form = SuppressForm(
            request.POST or None,
            brands=list(Brand.objects.filter(pk__in=allowed).order_by("name")),
            everywhere=self.is_superuser(request),
            initial=request.GET.get("address", ""),
        )
        if request.method == "POST" and form.is_valid():
            return self._suppress(request, form)
        return self.page(request, "add.html", title="Suppress addresses", form=form)

    def _suppress(self, request: HttpRequest, form: SuppressForm) -> HttpResponse:
        addresses = form.cleaned_data["addresses"]
        added = suppressing.suppress_many(
            addresses=addresses,
            reason=SuppressionReason(form.cleaned_data["reason"]),
            origin=SuppressionOrigin.OPERATOR,
            now=timezone.now(),
            brand_id=form.brand_id,
            detail=form.cleaned_data["note"].strip(),
        )
        known = len(addresses) - added
        told = f"{added:,} suppressed." + (f" {known:,} already were." if known else "")
        self.message_user(request, told)
        return HttpResponseRedirect(reverse(f"admin:{self.name('changelist')}"))

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponse:
        return self._show(request, self.find(request, object_id), LiftForm())

    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self.find(request, object_id)
        self.require(request, Right.EDIT, found)
        form = LiftForm(request.POST)
        if not form.is_valid():
            return self._show(request, found, form)
        try:
            lifted = suppressing.lift_by_operator(
                suppression_id=found.pk,
                lifted_by=actor(request),
                note=form.cleaned_data["note"],
                now=timezone.now(),
            )
        except NotLiftableError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, "Lifted." if lifted else "It was lifted before.")
        return HttpResponseRedirect(reverse(f"admin:{self.name('change')}", args=[found.pk]))

    def _show(self, request: HttpRequest, found: Suppression, form: LiftForm) -> HttpResponse:
        reason = SuppressionReason(found.reason)
        seen = rights.brand_ids(request.user, Right.VIEW)
        contacts = Contact.objects.filter(brand__in=seen).select_related("brand")
        return self.page(
            request,
            "suppression.html",
            title=found.address or "An erased person",
            row=found,
            suppression=found,
            contacts=contacts.filter(address=found.address)[:CONTACTS_SHOWN]
            if found.address
            else [],
            form=form,
            stays=suppressing.STAYS.get(reason, ""),
            may_lift=self.allows(request, Right.EDIT, found),
        )

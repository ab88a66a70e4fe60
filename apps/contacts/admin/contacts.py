"""Contacts: the list, a person's page and what may be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.contrib import admin, messages
from django.http import HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_GET, require_POST

from apps.brands import rights
from apps.brands.admin.pages import PagesAdmin
from apps.brands.admin.scoped import BrandFilter
from apps.brands.models import Brand
from apps.brands.rights import Right
from apps.contacts import editing, erasing, subscribing, traces
from apps.contacts.admin.contact_forms import DetailsForm, EraseForm, NewContactForm
from apps.contacts.admin.contact_list import ContactChangeList, StatusFilter, TopicFilter
from apps.contacts.admin.exports import stream_contacts
from apps.contacts.admin.pages import actor, evidence
from apps.contacts.admin.person import person_context, wishes_form
from apps.contacts.errors import (
    ContactExistsError,
    ContactsError,
    ErasedAddressError,
)
from apps.contacts.models import Contact, ContactStatus, SuppressionOrigin
from apps.contacts.searching import FOUND_AT_MOST, find_contacts

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from apps.contacts.admin.contact_forms import WishesForm

log = structlog.get_logger(__name__)

_TONES = {ContactStatus.SUBSCRIBED: "good", ContactStatus.UNSUBSCRIBED: "bad"}


@admin.register(Contact)
class ContactAdmin(PagesAdmin):
    list_display = ("email", "name_shown", "status_shown", "topics_shown", "brand", "created_at")
    list_filter = (BrandFilter, StatusFilter, TopicFilter)
    list_select_related = ("brand",)
    list_before_template = "admin/contacts/contact/list_tools.html"
    search_fields = ("address",)  # only that there is a field: see get_search_results
    search_help_text = "Beginning of an address, of a first or last name, or of both names."
    ordering = ("-pk",)
    sortable_by = ()
    actions = None

    @admin.display(description="name")
    def name_shown(self, contact: Contact) -> str:
        return f"{contact.first_name} {contact.last_name}".strip()

    @admin.display(description="status")
    def status_shown(self, contact: Any) -> SafeString:
        status = ContactStatus(contact.status)
        labels = [(_TONES.get(status, ""), status.label)]
        if contact.erased_at:
            labels = [("bad", "erased")]
        labels += [("bad", reason.label) for reason in contact.page_reasons]
        return format_html_join(" ", '<span class="people-label {}">{}</span>', labels)

    @admin.display(description="topics")
    def topics_shown(self, contact: Any) -> str:
        shown = contact.page_topics[:3]
        more = len(contact.page_topics) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ContactChangeList]:  # noqa: ARG002
        return ContactChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = find_contacts(search_term, brand_ids=rights.brand_ids(request.user, Right.VIEW))
        if len(found) >= FOUND_AT_MOST:
            self.message_user(
                request,
                f"More than {FOUND_AT_MOST} contacts begin like this: type more of it.",
                messages.WARNING,
            )
        return queryset.filter(pk__in=found), False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False  # a person is erased, see `erase`

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(require_GET(self.export)), name=self.name("export")),
            path(
                "<path:object_id>/details/",
                wrap(require_POST(self.save_details)),
                name=self.name("details"),
            ),
            path(
                "<path:object_id>/wishes/",
                wrap(require_POST(self.save_wishes)),
                name=self.name("wishes"),
            ),
            path(
                "<path:object_id>/everything.json",
                wrap(require_GET(self.export_person)),
                name=self.name("everything"),
            ),
            path("<path:object_id>/erase/", wrap(self.erase), name=self.name("erase")),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tools = {"may_export": self.allows(request, Right.EXPORT)}
        return super().changelist_view(request, {**tools, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, _form_url: str = "", _extra_context: Any = None
    ) -> HttpResponse:
        brands = list(
            Brand.objects.filter(pk__in=rights.brand_ids(request.user, Right.EDIT)).order_by("name")
        )
        if not brands:
            raise rights.RightMissingError("You need the right to edit contacts of a brand.")
        form = NewContactForm(request.POST or None, brands=brands)
        if request.method == "POST" and form.is_valid():
            added = self._add(request, form)
            if added is not None:
                return self._to_person(added)
        return self.page(request, "add.html", title="Add a contact", form=form, media=form.media)

    def _add(self, request: HttpRequest, form: NewContactForm) -> int | None:
        given = form.cleaned_data
        rights.require(request.user, Right.EDIT, brand_id=int(given["brand"]))
        try:
            contact_id = editing.add_contact(
                brand_id=int(given["brand"]),
                email=given["email"],
                details=form.details(),
                evidence=evidence(request, told=given["told"].strip(), now=timezone.now()),
                pending=bool(given["pending"]),
            )
        except ContactExistsError as error:
            link = reverse(f"admin:{self.name('change')}", args=[error.contact_id])
            known = format_html('This person is known already: <a href="{}">their page</a>.', link)
            form.add_error("email", known)
        except ErasedAddressError:
            form.add_error(
                "email", "This person had all traces removed and must not be stored again."
            )
        else:
            self.message_user(request, "The contact was added.")
            return contact_id
        return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        _form_url: str = "",
        _extra_context: Any = None,
    ) -> HttpResponse:
        return self._person(request, self.find(request, object_id))

    def _person(
        self,
        request: HttpRequest,
        contact: Contact,
        *,
        details: DetailsForm | None = None,
        wishes: WishesForm | None = None,
    ) -> HttpResponse:
        may_edit = self.allows(request, Right.EDIT, contact) and not contact.erased_at
        return self.page(
            request,
            "person.html",
            title=contact.email,
            row=contact,
            may_edit=may_edit,
            may_erase=self.allows(request, Right.ERASE, contact),
            may_export=self.allows(request, Right.EXPORT, contact),
            **person_context(request, contact, details=details, wishes=wishes, editing=may_edit),
        )

    def save_details(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.find(request, object_id)
        self.require(request, Right.EDIT, contact)
        form = DetailsForm.of(contact, request.POST)
        if not form.is_valid():
            return self._person(request, contact, details=form)
        try:
            changed = editing.edit_contact(
                contact_id=contact.pk, details=form.details(), now=timezone.now()
            )
        except ContactsError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, "Saved." if changed else "Nothing was changed.")
        return self._to_person(contact.pk)

    def save_wishes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.find(request, object_id)
        self.require(request, Right.EDIT, contact)
        if contact.erased_at:
            self.message_user(request, "The person had all traces removed.", messages.ERROR)
            return self._to_person(contact.pk)
        form = wishes_form(contact, request.POST)
        if not form.is_valid():
            return self._person(request, contact, wishes=form)
        try:
            changes = self._follow(request, contact, form)
        except ContactsError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            told = f"{changes} changed, with the evidence." if changes else "Nothing was changed."
            self.message_user(request, told)
        return self._to_person(contact.pk)

    def _follow(self, request: HttpRequest, contact: Contact, form: WishesForm) -> int:
        """Each wish with its consent record; how many changed anything."""
        proof = evidence(request, told=form.cleaned_data["told"].strip(), now=timezone.now())
        changes = 0
        if form.wanted_status == ContactStatus.UNSUBSCRIBED:
            changes += subscribing.unsubscribe(contact_id=contact.pk, evidence=proof)
        elif form.wanted_status == ContactStatus.SUBSCRIBED:
            subscribing.subscribe(brand_id=contact.brand_id, email=contact.address, evidence=proof)
            changes += 1
        for topic_id, state in form.wanted_topics().items():
            changes += editing.set_topic(
                contact_id=contact.pk, topic_id=topic_id, state=state, evidence=proof
            )
        return changes

    def export_person(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Everything that is kept of a person, for that person to read."""
        contact = self.find(request, object_id)
        self.require(request, Right.EXPORT, contact)
        log.info("person_exported", contact=contact.pk, by=actor(request))
        return JsonResponse(
            traces.export_person(contact),
            json_dumps_params={"indent": 1, "ensure_ascii": False},
            headers={
                "Content-Disposition": f'attachment; filename="person-{contact.pk}.json"',
                "Cache-Control": "no-store",
            },
        )

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.find(request, object_id)
        for brand_id in {contact.brand_id, *erasing.brand_ids_knowing(contact.address)}:
            rights.require(request.user, Right.ERASE, brand_id=brand_id)
        form = EraseForm(request.POST or None, contact=contact)
        if request.method == "POST" and form.is_valid():
            try:
                erasing.erase_person(
                    contact_id=contact.pk, origin=SuppressionOrigin.PERSON, now=timezone.now()
                )
            except ContactsError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, "The person was erased.")
            return self._to_person(contact.pk)
        return self.page(
            request, "erase.html", title="Erase a person", row=contact, form=form, contact=contact
        )

    def export(self, request: HttpRequest) -> StreamingHttpResponse | HttpResponseRedirect:
        """The list as it is filtered, of the brands whose contacts the user may export."""
        allowed = rights.brand_ids(request.user, Right.EXPORT)
        if not allowed:
            raise rights.RightMissingError("You need the right to export contacts of a brand.")
        term = request.GET.get("q", "").strip()
        if term and len(find_contacts(term, brand_ids=allowed)) >= FOUND_AT_MOST:
            self.message_user(
                request,
                f"A search finds at most {FOUND_AT_MOST} contacts: nothing was exported, for it "
                "would not be all. Type more, or filter instead.",
                messages.ERROR,
            )
            back = reverse(f"admin:{self.name('changelist')}")
            return HttpResponseRedirect(f"{back}?{request.GET.urlencode()}")
        contacts = self.get_changelist_instance(request).queryset.filter(brand__in=allowed)
        name = f"contacts-{timezone.now():%Y-%m-%d-%H%M}.csv"
        return stream_contacts(contacts, file_name=name, actor=actor(request))

    def _to_person(self, contact_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{self.name('change')}", args=[contact_id]))

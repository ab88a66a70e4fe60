"""Digests: when, from what, to whom; the next issue as a contact would see it, and past ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.db.models import OuterRef, Prefetch, Subquery
from django.utils.html import format_html
from unfold.decorators import display

from apps.brands.admin.scoped import BrandFilter, BrandScopedInline
from apps.brands.rights import Right
from apps.contacts.models import Contact
from apps.newsletter.admin.desk_pages import NamedDeskAdmin, OneBrandForm
from apps.newsletter.digests import previewing, starting
from apps.newsletter.models import Digest, DigestIssue, DigestItem, DigestSource
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

ISSUES_SHOWN = 12


class DigestForm(OneBrandForm):
    class Meta:
        model = Digest
        exclude = ()


class SourceInline(BrandScopedInline):
    model = DigestSource
    fields = (
        "position",
        "name",
        "kind",
        "url",
        "most_items",
        "newest_days",
        "read_at",
        "last_error",
    )
    readonly_fields = ("read_at", "last_error")


class ItemInline(BrandScopedInline):
    model = DigestItem
    verbose_name = "own article"
    verbose_name_plural = "Own articles"
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fields = ("position", "title", "url", "summary", "image_url", "is_fallback", "not_before")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Those that went out belong to their issue."""
        return super().get_queryset(request).filter(issue=None)


@admin.register(Digest)
class DigestAdmin(NamedDeskAdmin):
    form = DigestForm
    home = "issue"
    list_display = ("shown_name", "brand", "shown_state", "shown_time", "newest_issue")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    parts = ("brand", "sender", "template")
    search_fields = ("name", "slug")
    ordering = ("brand__name", "name")
    inlines = (SourceInline, ItemInline)
    fieldsets = (
        (None, {"fields": ("brand", "name", "slug")}),
        ("When", {"fields": (("weekday", "hour"), "timezone", "late_hours")}),
        ("What", {"fields": ("sender", "template", ("most_items", "least_items"), "empty_rule")}),
        ("To whom", {"fields": ("readers",)}),
    )

    @admin.display(description="digest", ordering="name")
    def shown_name(self, digest: Digest) -> SafeString:
        return format_html('<a href="{}">{}</a>', self.url(digest.pk), digest.name)

    @display(  # type: ignore[untyped-decorator]
        description="state", label={"active": "success", "stopped": "info"}
    )
    def shown_state(self, digest: Digest) -> str:
        return "active" if digest.is_active else "stopped"

    @admin.display(description="goes out")
    def shown_time(self, digest: Digest) -> str:
        return f"{digest.get_weekday_display()} {digest.hour:02}:00 ({digest.zone})"

    @admin.display(description="newest issue")
    def newest_issue(self, digest: Digest) -> str:
        issue = next(iter(getattr(digest, "newest", ())), None)
        return f"{issue.label}: {issue.get_state_display()}" if issue else "-"

    def get_queryset(self, request: HttpRequest) -> Any:
        newest = DigestIssue.objects.filter(digest=OuterRef("digest")).order_by("-year", "-week")
        shown = DigestIssue.objects.filter(pk=Subquery(newest.values("pk")[:1]))
        return (
            super()
            .get_queryset(request)
            .prefetch_related(Prefetch("issues", queryset=shown, to_attr="newest"))
        )

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False  # stopped instead: its issues are part of what was sent

    # --- Pages --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("issue", self.issue_page),
            self.page("read", self.read),
            self.page("activate", self.activate),
            self.page("deactivate", self.deactivate),
            self.page("run", self.run),
        ]
        return [*own, *super().get_urls()]

    def issue_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        digest = self.found(request, pk)
        people = Contact.objects.of_brand(digest.brand_id).filter(erased_at=None)
        asked = request.GET.get("address", "").strip().lower()[:254]
        person = people.filter(address=asked).first() if asked else people.order_by("pk").first()
        return self.show(
            request,
            "admin/newsletter/digest.html",
            digest,
            preview=previewing.preview(digest=digest, contact_id=person.pk if person else None),
            person=person,
            asked=asked,
            next_slot=previewing.next_due(digest),
            sources=digest.sources.all(),
            issues=digest.issues.select_related("mailing").order_by("-year", "-week")[
                :ISSUES_SHOWN
            ],
        )

    def read(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Digest, _actor: str) -> str:
            enqueue(TaskName.READ_SOURCES, digest_id=pk)
            return "The sources are being read: load the page again in a moment."

        return self.deed(request, pk, Right.EDIT, act)

    def activate(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Digest, actor: str) -> str:
            starting.activate(digest_id=pk, actor=actor)
            return "Active: the next issue goes out by itself."

        return self.deed(request, pk, Right.LAUNCH, act)

    def deactivate(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Digest, actor: str) -> str:
            starting.deactivate(digest_id=pk, actor=actor)
            return "Stopped: no further issue is started."

        return self.deed(request, pk, Right.LAUNCH, act)

    def run(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(row: Digest, actor: str) -> str:
            started = starting.start_this_week(digest=row, actor=actor)
            if started.is_new:
                return f"Issue {started.issue.label} is being put together."
            state = started.issue.get_state_display()
            return f"Issue {started.issue.label} exists already: {state}."

        return self.deed(request, pk, Right.LAUNCH, act)

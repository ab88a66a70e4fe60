"""Sequences: drawn as steps with counts, steered, and explained person by person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from unfold.decorators import display

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, ReadOnlyAdmin
from apps.brands.rights import Right
from apps.contacts.models import Contact
from apps.newsletter.admin.desk_pages import REFUSALS, NamedDeskAdmin, OneBrandForm, page_url
from apps.newsletter.models import Enrolment, Sequence, SequenceVersion
from apps.newsletter.sequences import checking, controlling, publishing
from apps.newsletter.sequences.explaining import explain
from apps.newsletter.sequences.standings import standings

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

TONES = {"draft": "info", "active": "success", "paused": "warning", "ended": "danger"}
LATEST_PEOPLE = 20


class SequenceForm(OneBrandForm):
    class Meta:
        model = Sequence
        exclude = ()


@admin.register(Sequence)
class SequenceAdmin(NamedDeskAdmin):
    form = SequenceForm
    home = "steps"
    list_display = ("shown_name", "brand", "shown_state", "shown_version", "under_way")
    list_filter = (BrandFilter, "state")
    list_select_related = ("brand", "current")
    parts = ("brand", "sender", "current")
    search_fields = ("name", "slug")
    ordering = ("brand__name", "name")
    fields = (
        "brand",
        "name",
        "slug",
        "sender",
        "readers",
        "takes_everybody",
        "again_after_days",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        active = Count("enrolments", filter=Q(enrolments__state=Enrolment.State.ACTIVE))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(people=active)
        return rows

    @admin.display(description="sequence", ordering="name")
    def shown_name(self, sequence: Sequence) -> SafeString:
        return format_html('<a href="{}">{}</a>', self.url(sequence.pk), sequence.name)

    @display(description="state", label=TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, sequence: Sequence) -> str:
        return sequence.state

    @admin.display(description="version")
    def shown_version(self, sequence: Sequence) -> str:
        return str(sequence.current.number) if sequence.current else "-"

    @admin.display(description="under way")
    def under_way(self, sequence: Sequence) -> int:
        people: int = getattr(sequence, "people", 0)
        return people

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False  # ended instead: people's ways through it stay explainable

    # --- Pages --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("steps", self.steps_page),
            self.page("why", self.why_page),
            self.page("publish", self.publish_page),
            self.page("draft", self.draft),
            self.page("start", self.start),
            self.page("pause", self.pause),
            self.page("resume", self.resume),
            self.page("end", self.end),
            self.page("remove", self.remove),
        ]
        return [*own, *super().get_urls()]

    def steps_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        sequence = self.found(request, pk)
        rules = []
        if sequence.current:
            rules = list(sequence.current.rules.select_related("topic", "tier"))
        return self.show(
            request,
            "admin/newsletter/sequence.html",
            sequence,
            standings=standings(sequence),
            rules=rules,
            draft=sequence.versions.filter(published_at=None).first(),
            people=sequence.enrolments.select_related("contact", "version").order_by("-pk")[
                :LATEST_PEOPLE
            ],
        )

    def why_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        sequence = self.found(request, pk)
        asked = request.GET.get("address", "").strip().lower()[:254]
        chosen = request.GET.get("contact", "")
        people = Contact.objects.of_brand(sequence.brand_id)
        person = None
        if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:  # noqa: PLR2004 - bigint
            person = people.filter(pk=int(chosen)).first()
        elif asked:
            person = people.filter(address=asked).first()
        return self.show(
            request,
            "admin/newsletter/sequence_why.html",
            sequence,
            asked=asked or (person.email if person else ""),
            was_asked=bool(asked or chosen),
            person=person,
            told=explain(sequence=sequence, contact=person) if person else None,
        )

    def publish_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        sequence = self.found(request, pk)
        draft = sequence.versions.filter(published_at=None).select_related("sequence").first()
        if draft is None:
            messages.warning(request, "There is no draft: edit the steps first.")
            return HttpResponseRedirect(self.url(pk))
        if request.method == "POST":
            self.require(request, Right.LAUNCH, sequence)
            if (answer := self._publish(request, draft)) is not None:
                return answer
        return self.show(
            request,
            "admin/newsletter/sequence_publish.html",
            sequence,
            draft=draft,
            steps=draft.steps.select_related("template"),
            rules=draft.rules.select_related("topic", "tier"),
            problems=checking.problems(draft),
            choices=SequenceVersion.OldPeople.choices,
            under_way=sequence.enrolments.filter(state=Enrolment.State.ACTIVE).count(),
        )

    def _publish(self, request: HttpRequest, draft: SequenceVersion) -> HttpResponse | None:
        """None where it was refused: the page then tells the problems itself."""
        choice = request.POST.get("old_people", "")
        if choice not in SequenceVersion.OldPeople.values:
            messages.error(request, "Choose what becomes of the people under way.")
            return None
        try:
            published = publishing.publish(
                version_id=draft.pk, old_people=choice, actor=user_actor(request.user)
            )
        except REFUSALS:
            return None
        moved = f" {published.moved} people go on in it." if published.moved else ""
        messages.success(request, f"Version {published.number} is published.{moved}")
        return HttpResponseRedirect(self.url(draft.sequence_id))

    # --- Deeds --------------------------------------------------------------------------------

    def draft(self, request: HttpRequest, pk: int) -> HttpResponse:
        sequence = self.found(request, pk)
        if request.method == "POST":
            self.require(request, Right.EDIT, sequence)
            version = publishing.draft_of(sequence_id=pk)
            return HttpResponseRedirect(page_url(SequenceVersion, version.pk, "change"))
        return HttpResponseRedirect(self.url(pk))

    def start(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Sequence, actor: str) -> str:
            publishing.start(sequence_id=pk, actor=actor)
            return "Started: people enter from now on."

        return self.deed(request, pk, Right.LAUNCH, act)

    def pause(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Sequence, actor: str) -> str:
            controlling.pause(sequence_id=pk, actor=actor)
            return "Paused: nothing leaves until it goes on."

        return self.deed(request, pk, Right.LAUNCH, act)

    def resume(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Sequence, actor: str) -> str:
            controlling.resume(sequence_id=pk, actor=actor)
            return "It goes on."

        return self.deed(request, pk, Right.LAUNCH, act)

    def end(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(_row: Sequence, actor: str) -> str:
            left = controlling.end(sequence_id=pk, actor=actor)
            return f"Ended: {left} people were under way."

        return self.deed(request, pk, Right.LAUNCH, act)

    def remove(self, request: HttpRequest, pk: int) -> HttpResponse:
        def act(row: Sequence, actor: str) -> str:
            given = request.POST.get("enrolment", "")
            enrolments = row.enrolments.filter(pk=int(given) if given.isdigit() else 0)
            controlling.remove(
                enrolment_id=enrolments.values_list("pk", flat=True).first() or 0, actor=actor
            )
            return "Removed: no further step. A mail that was planned already still leaves."

        return self.deed(request, pk, Right.EDIT, act)


@admin.register(Enrolment)
class EnrolmentAdmin(ReadOnlyAdmin):
    """Where each person stands."""

    brand_lookup = "sequence__brand_id"
    list_display = (
        "shown_person",
        "sequence",
        "shown_state",
        "position",
        "due_at",
        "entered_at",
        "ended_reason",
    )
    list_display_links = None
    list_filter = ("state", ("sequence", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("contact", "sequence")
    ordering = ("-pk",)
    actions = None

    @admin.display(description="person")
    def shown_person(self, enrolment: Enrolment) -> SafeString:
        page = page_url(Sequence, enrolment.sequence_id, "why")
        url = f"{page}?contact={enrolment.contact_id}"
        return format_html('<a href="{}">{}</a>', url, enrolment.contact.email)

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={
            "active": "info",
            "finished": "success",
            "goal": "success",
            "exited": "warning",
            "removed": "danger",
        },
    )
    def shown_state(self, enrolment: Enrolment) -> str:
        return enrolment.state

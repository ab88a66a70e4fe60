"""Dead letters: a list per queue, a page each, and driving them again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import Count, Q
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import Truncator
from unfold.decorators import display

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.models import Brand
from apps.brands.rights import Right, RightMissingError
from apps.queues import bulk_redriving, dead_letters
from apps.queues.errors import QueueError
from apps.queues.models import BulkRedrive, DeadLetter
from apps.queues.registry import EXTERNAL_QUEUES, QUEUES
from apps.station.queues_desk.admin.bases import InstallationAdmin, may_drive_all
from apps.station.queues_desk.admin.forms import KindForm, NoteForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

LARGEST_ID = 2**63 - 1
# A page of the list; more than that is driven by kind, in the background.
PICKED_AT_MOST = 100
KINDS_SHOWN = 50
WISHES_SHOWN = 10
EARLIER_SHOWN = 10
ERROR_SHOWN = 60
STATE_TONES = {"open": "bad", "redriven": "good", "discarded": ""}


class QueueFilter(SimpleListFilter):
    title = "queue"
    parameter_name = "queue__exact"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(name), str(name)) for name in (*QUEUES, *EXTERNAL_QUEUES)]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(queue=self.value()) if self.value() else rows


class StateFilter(SimpleListFilter):
    """Open ones, unless asked for others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        closed = [(one.value, one.label) for one in DeadLetter.State if one != "open"]
        return [*closed, ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "open"}, *others]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return rows
        return rows.filter(state=self.value() or DeadLetter.State.OPEN)


@admin.register(DeadLetter)
class DeadLetterAdmin(InstallationAdmin):
    """Letters of the user's brands; those of no brand are seen by all and driven by few."""

    list_display = (
        "shown_work",
        "queue",
        "reason",
        "shown_error",
        "attempts",
        "last_failed_at",
        "shown_state",
    )
    list_filter = (QueueFilter, StateFilter, "reason", "task")
    search_fields = ("correlation_id", "task", "subject")
    search_help_text = "A correlation id, a task or a kind of row."
    ordering = ("-last_failed_at",)
    list_per_page = PICKED_AT_MOST
    actions = ("redrive_picked",)

    @display(description="work")  # type: ignore[untyped-decorator]
    def shown_work(self, letter: DeadLetter) -> str:
        return f"{letter.subject} {letter.subject_id}" if letter.subject else letter.task

    @display(description="error")  # type: ignore[untyped-decorator]
    def shown_error(self, letter: DeadLetter) -> str:
        return Truncator(letter.error).chars(ERROR_SHOWN)

    @display(  # type: ignore[untyped-decorator]
        description="state", label={"open": "danger", "driven again": "success"}
    )
    def shown_state(self, letter: DeadLetter) -> str:
        return str(letter.get_state_display())

    # --- Who may what -------------------------------------------------------------------------

    def limited(self, rows: QuerySet[Any], request: HttpRequest, right: Right) -> QuerySet[Any]:
        if self.is_superuser(request):
            return rows
        seen = Q(brand_id__in=rights.brand_ids(request.user, right))
        if self.allows(request, right):
            seen |= Q(brand_id=None)
        return rows.filter(seen)

    def may_drive(self, request: HttpRequest, letter: DeadLetter) -> bool:
        if letter.brand_id is None:
            return may_drive_all(request)
        return rights.holds(request.user, Right.REDRIVE, brand_id=letter.brand_id)

    def require_driving(self, request: HttpRequest, letter: DeadLetter) -> None:
        if letter.brand_id is None:
            self.require_all(request)
        else:
            rights.require(request.user, Right.REDRIVE, brand_id=letter.brand_id)

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return self.is_superuser(request) or bool(rights.brand_ids(request.user, Right.REDRIVE))

    def found(self, request: HttpRequest, letter_id: int) -> DeadLetter:
        """Raises Http404 where there is none that the user may see."""
        letter: DeadLetter | None = (
            self.get_queryset(request).filter(pk=letter_id).first()
            if letter_id <= LARGEST_ID
            else None
        )
        if letter is None:
            raise Http404(f"There is no dead letter {letter_id}.")
        return letter

    # --- Addresses ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("kinds/", self.kinds, "kinds"),
            self.post_page("kinds/redrive/", self.redrive_kind, "redrive_kind"),
            self.post_page("<int:letter_id>/redrive/", self.redrive, "redrive"),
            self.post_page("<int:letter_id>/discard/", self.discard, "discard"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"kinds_url": reverse("admin:queues_deadletter_kinds")}
        page: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return page

    change_list_template = "admin/queues/letters.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404("A dead letter is named by its number.")
        letter = self.found(request, int(object_id))
        return self._letter_page(request, letter, NoteForm())

    # --- One ----------------------------------------------------------------------------------

    def redrive(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        letter = self.found(request, letter_id)
        self.require_driving(request, letter)
        return self._carry_out(
            request,
            letter,
            lambda by: dead_letters.redrive(letter_id=letter.pk, by=by),
            "Its work is due again.",
        )

    def discard(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        letter = self.found(request, letter_id)
        self.require_driving(request, letter)
        form = NoteForm(request.POST)
        if not form.is_valid():
            return self._letter_page(request, letter, form)
        note = form.cleaned_data["note"]
        return self._carry_out(
            request,
            letter,
            lambda by: dead_letters.discard(letter_id=letter.pk, by=by, note=note),
            "Discarded; the letter and your note are kept.",
        )

    def _carry_out(
        self, request: HttpRequest, letter: DeadLetter, deed: Callable[[str], None], told: str
    ) -> HttpResponse:
        try:
            deed(user_actor(request.user))
        except QueueError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, told)
        return HttpResponseRedirect(reverse("admin:queues_deadletter_change", args=[letter.pk]))

    def _letter_page(
        self, request: HttpRequest, letter: DeadLetter, note_form: NoteForm
    ) -> HttpResponse:
        same = Q(subject=letter.subject, subject_id=letter.subject_id)
        if not letter.subject:
            same = Q(task=letter.task, payload=letter.payload, subject="")
        earlier = self.get_queryset(request).filter(same).exclude(pk=letter.pk)
        return self.show(
            request,
            "letter.html",
            title=self.shown_work(letter),
            letter=letter,
            tone=STATE_TONES[letter.state],
            payload=json.dumps(letter.payload, indent=2, ensure_ascii=False),
            brand=Brand.objects.filter(pk=letter.brand_id).first() if letter.brand_id else None,
            earlier=earlier.order_by("-pk")[:EARLIER_SHOWN],
            note_form=note_form,
            may_drive=self.may_drive(request, letter),
        )

    # --- Many ---------------------------------------------------------------------------------

    @admin.action(description="Drive again", permissions=["redrive"])
    def redrive_picked(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> None:
        """Those on the page; each in a transaction of its own."""
        driven, refused = 0, []
        for letter in rows.order_by("pk")[:PICKED_AT_MOST]:
            try:
                self.require_driving(request, letter)
                dead_letters.redrive(letter_id=letter.pk, by=user_actor(request.user))
            except (QueueError, RightMissingError) as error:
                refused.append(f"{letter.pk}: {error}")
            else:
                driven += 1
        if driven:
            self.message_user(request, f"{driven} driven again.", messages.SUCCESS)
        if refused:
            more = f" (and {len(refused) - 3} more)" if len(refused) > 3 else ""  # noqa: PLR2004
            told = f"{len(refused)} not: {'; '.join(refused[:3])}{more}"
            self.message_user(request, told, messages.WARNING)

    def kinds(self, request: HttpRequest) -> HttpResponse:
        """Open letters by kind, each with a button; and how far earlier wishes are."""
        if not self.has_view_permission(request):
            raise Http404
        queue = request.GET.get("queue", "")
        open_letters = self.get_queryset(request).filter(state=DeadLetter.State.OPEN)
        if queue:
            open_letters = open_letters.filter(queue=queue)
        counted = open_letters.values("queue", "task", "reason").annotate(number=Count("pk"))
        return self.show(
            request,
            "kinds.html",
            title=f"Dead letters of {queue} by kind" if queue else "Dead letters by kind",
            kinds=counted.order_by("-number")[:KINDS_SHOWN],
            wishes=self._wishes(request),
            may_drive=self.has_redrive_permission(request),
            list_url=reverse("admin:queues_deadletter_changelist"),
        )

    def _wishes(self, request: HttpRequest) -> QuerySet[BulkRedrive]:
        rows = BulkRedrive.objects.order_by("-pk")
        if not may_drive_all(request):
            rows = rows.filter(asked_by=user_actor(request.user))
        return rows[:WISHES_SHOWN]

    def redrive_kind(self, request: HttpRequest) -> HttpResponse:
        if not self.has_redrive_permission(request):
            raise RightMissingError("You need the right “redrive” on a brand.")
        form = KindForm(request.POST)
        if not form.is_valid():
            raise Http404("No such kind.")
        mine = None if may_drive_all(request) else rights.brand_ids(request.user, Right.REDRIVE)
        try:
            bulk_redriving.ask(by=user_actor(request.user), brand_ids=mine, **form.cleaned_data)
        except QueueError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "They are driven again in the background; see below how far.")
        return HttpResponseRedirect(reverse("admin:queues_deadletter_kinds"))

    def history_view(
        self, request: HttpRequest, object_id: str, _extra_context: Any = None
    ) -> HttpResponse:
        """Its own page tells who closed it; letters are in no audit log."""
        return self.change_view(request, object_id)

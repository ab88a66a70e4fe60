"""Everything that goes out: campaigns, digests, streams of single mails. Looked at, and steered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, ReadOnlyAdmin
from apps.brands.rights import Right
from apps.mail import mailings
from apps.mail.admin import doubts, recipients
from apps.mail.admin.live import advice, look, state_label
from apps.mail.errors import MailError
from apps.mail.models import Mailing
from apps.mail.results import progress, progress_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

LOOKED_AT_ONCE = 50


@admin.register(Mailing)
class MailingAdmin(ReadOnlyAdmin):
    """The page of one mailing shows how far it is; streams are paused and resumed there."""

    list_display = ("name", "brand", "kind", "shown_state", "account", "created_at")
    list_filter = (BrandFilter, "state", "kind")
    list_select_related = ("brand", "account")
    search_fields = ("name",)
    ordering = ("-pk",)
    actions = None

    @admin.display(description="state", ordering="state")
    def shown_state(self, mailing: Mailing) -> str:
        return format_html(
            '<span class="fs-label {}">{}</span> {}',
            state_label(mailing.state),
            mailing.get_state_display(),
            mailing.state_reason,
        )

    class Media:
        css = {"all": ["mail/desk.css"]}

    # --- Addresses ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("live/", self.live, "live"),
            *doubts.urls(self),
            *recipients.urls(self),
            self.page("<int:mailing_id>/pause/", self.pause, "pause"),
            self.page("<int:mailing_id>/resume/", self.resume, "resume"),
        ]
        return [*own, *super().get_urls()]

    def page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"mail_mailing_{name}")

    def found(self, request: HttpRequest, mailing_id: int) -> Mailing:
        """The mailing with brand and account, if the user may see it. Raises Http404."""
        rows = self.get_queryset(request).select_related("brand", "account")
        mailing: Mailing | None = rows.filter(pk=mailing_id).first()
        if mailing is None:
            raise Http404(f"There is no mailing {mailing_id}.")
        return mailing

    def show(
        self, request: HttpRequest, template: str, *, title: str, **context: Any
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/mail/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": context.get("mailing"),
                "title": title,
                **context,
            },
        )

    # --- Pages --------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"title": "Mailings", **(extra_context or {})}
        found: HttpResponse = super().changelist_view(request, more)
        return found

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404("A mailing is named by its number.")
        mailing = self.found(request, int(object_id))
        is_bulk = mailing.kind == Mailing.Kind.BULK
        return self.show(
            request,
            "mailing.html",
            title=mailing.name,
            mailing=mailing,
            look=look(progress(mailing)) if is_bulk else None,
            advice=advice(mailing),
            tone=state_label(mailing.state),
            may_launch=self.allows(request, Right.LAUNCH, mailing),
            recipients_url=reverse("admin:mail_mailing_recipients", args=[mailing.pk]),
        )

    def live(self, request: HttpRequest) -> JsonResponse:
        """How far the mailings of `ids` are, those of brands that the user may view; one query."""
        asked = [one for one in request.GET.get("ids", "").split(",") if one.isdecimal()]
        ids = [int(one) for one in asked if len(one) < 19][:LOOKED_AT_ONCE]  # noqa: PLR2004 - bigint
        found = progress_of(ids, brand_ids=rights.brand_ids(request.user, Right.VIEW))
        answer = JsonResponse({str(pk): look(one) for pk, one in found.items()})
        answer["Cache-Control"] = "no-store"
        return answer

    # --- Steering -----------------------------------------------------------------------------

    def pause(self, request: HttpRequest, mailing_id: int) -> HttpResponse:
        def step(mailing: Mailing) -> str:
            reason = request.POST.get("reason", "").strip()
            by = user_actor(request.user)
            mailings.pause(
                mailing_id=mailing.pk, reason=f"{by}: {reason}" if reason else f"by {by}"
            )
            return "It is paused; calls under way end."

        return self._steer(request, mailing_id, step)

    def resume(self, request: HttpRequest, mailing_id: int) -> HttpResponse:
        def step(mailing: Mailing) -> str:
            mailings.resume(mailing_id=mailing.pk)
            return "It goes on."

        return self._steer(request, mailing_id, step)

    def _steer(
        self, request: HttpRequest, mailing_id: int, step: Callable[[Mailing], str]
    ) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        mailing = self.found(request, mailing_id)
        self.require(request, Right.LAUNCH, mailing)
        try:
            messages.success(request, step(mailing))
        except MailError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:mail_mailing_change", args=[mailing.pk]))

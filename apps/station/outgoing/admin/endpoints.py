"""Webhook endpoints: one page each with its state, its secret's age and the latest deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.decorators import display

from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, BrandScopedAdmin
from apps.brands.rights import Right
from apps.station.outgoing import endpoints, redelivering
from apps.station.outgoing.admin.forms import CHECKED, EndpointForm, SinceForm
from apps.station.outgoing.admin.wording import ENDPOINT_TONES, STATE_TONES
from apps.station.outgoing.backlogs import backlog_of
from apps.station.outgoing.errors import OutgoingError
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    # Carries an action out and says what it did.
    Deed = Callable[[HttpRequest, WebhookEndpoint], str]

LATEST = 15
_ADDED = "_added_endpoint"
_LARGEST_ID = 2**63 - 1
_ONE_BUTTON = {"show_save_and_add_another": False, "show_save_and_continue": False}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(BrandScopedAdmin):
    form = EndpointForm
    list_display = ("shown_name", "brand", "shown_state", "shown_events", "last_success_at")
    list_filter = (BrandFilter,)
    list_select_related = ("brand",)
    search_fields = ("url", "description")
    ordering = ("brand__name", "-pk")
    actions = None

    @admin.display(description="endpoint")
    def shown_name(self, endpoint: WebhookEndpoint) -> str:
        return str(endpoint)

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={"enabled": "success", "failing": "warning", "disabled": "danger"},
    )
    def shown_state(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.state

    @admin.display(description="events")
    def shown_events(self, endpoint: WebhookEndpoint) -> str:
        if len(endpoint.event_types) == len(EventType):
            return "all"
        first = ", ".join(endpoint.event_types[:2])
        more = len(endpoint.event_types) - 2
        return f"{first} and {more} more" if more > 0 else first

    # --- Who may what -------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(removed_at=None)

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False  # removed by an action: the log of deliveries stays

    def found(self, request: HttpRequest, endpoint_id: int) -> WebhookEndpoint:
        """The endpoint with its brand, if the user may see it. Raises Http404."""
        rows = self.get_queryset(request).select_related("brand")
        endpoint: WebhookEndpoint | None = (
            rows.filter(pk=endpoint_id).first() if endpoint_id <= _LARGEST_ID else None
        )
        if endpoint is None:
            raise Http404(f"There is no webhook endpoint {endpoint_id}.")
        return endpoint

    # --- Adding and changing ------------------------------------------------------------------

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Model | None = None,
    ) -> tuple[str, ...]:
        return ("brand",) if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: WebhookEndpoint,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        self.require(request, self.change_right, obj)
        fields = {name: form.cleaned_data[name] for name in CHECKED}
        by = user_actor(request.user)
        if change:
            endpoints.change(endpoint_id=obj.pk, actor=by, **fields)
            return
        try:
            added = endpoints.add(brand_id=obj.brand_id, actor=by, **fields)
        except OutgoingError as error:  # the brand has too many
            setattr(request, _ADDED, error)
            return
        obj.pk = added.pk
        setattr(request, _ADDED, added)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        return super().log_addition(request, obj, message) if obj.pk else None

    def response_add(
        self,
        request: HttpRequest,
        obj: Model,  # noqa: ARG002 - Django's signature
        post_url_continue: str | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        added = getattr(request, _ADDED)
        if isinstance(added, OutgoingError):
            messages.error(request, str(added))
            return HttpResponseRedirect(reverse("admin:station_webhookendpoint_changelist"))
        return self._secret_page(request, added, added.secret)

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        messages.success(request, "Saved.")
        return self._back(obj.pk)

    # --- Addresses ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("<int:endpoint_id>/edit/", self.edit, "edit"),
            self.page("<int:endpoint_id>/rotate/", self.rotate, "rotate"),
            self.deed("ping", self._ping, Right.EDIT),
            self.deed("forget", self._forget, Right.EDIT),
            self.deed("enable", self._enable, Right.EDIT),
            self.deed("disable", self._disable, Right.EDIT),
            self.deed("remove", self._remove, Right.EDIT),
            self.deed("redeliver", self._redeliver, Right.REDRIVE),
        ]
        return [*own, *super().get_urls()]

    def page(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"station_webhookendpoint_{name}")

    def deed(self, name: str, deed: Deed, right: Right) -> URLPattern:
        """A button of the endpoint's page: one call of a service, and back."""

        def view(request: HttpRequest, endpoint_id: int) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            endpoint = self.found(request, endpoint_id)
            self.require(request, right, endpoint)
            try:
                messages.success(request, deed(request, endpoint))
            except OutgoingError as error:
                messages.error(request, str(error))
            return self._back(endpoint_id)

        return self.page(f"<int:endpoint_id>/{name}/", view, name)

    def _back(self, endpoint_id: int) -> HttpResponse:
        if not self.model.objects.kept().filter(pk=endpoint_id).exists():
            return HttpResponseRedirect(reverse("admin:station_webhookendpoint_changelist"))
        url = reverse("admin:station_webhookendpoint_change", args=[endpoint_id])
        return HttpResponseRedirect(url)

    # --- Pages --------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404("An endpoint is named by its number.")
        endpoint = self.found(request, int(object_id))
        latest = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("-pk")[:LATEST]
        return self._show(
            request,
            "endpoint.html",
            title=str(endpoint),
            endpoint=endpoint,
            tone=ENDPOINT_TONES[endpoint.state],
            backlog=backlog_of(endpoint.pk),
            latest=[(one, STATE_TONES[one.state]) for one in latest],
            since=SinceForm.of_yesterday(),
            may_edit=self.allows(request, Right.EDIT, endpoint),
            may_redrive=self.allows(request, Right.REDRIVE, endpoint),
        )

    def edit(self, request: HttpRequest, endpoint_id: int) -> HttpResponse:
        self.found(request, endpoint_id)
        page: HttpResponse = super().change_view(
            request, str(endpoint_id), extra_context=_ONE_BUTTON
        )
        return page

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        more = {**_ONE_BUTTON, **(extra_context or {})}
        page: HttpResponse = super().add_view(request, form_url, more)
        return page

    def rotate(self, request: HttpRequest, endpoint_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        endpoint = self.found(request, endpoint_id)
        self.require(request, Right.EDIT, endpoint)
        try:
            secret = endpoints.rotate_secret(
                endpoint_id=endpoint_id, actor=user_actor(request.user)
            )
        except OutgoingError as error:
            messages.error(request, str(error))
            return self._back(endpoint_id)
        return self._secret_page(request, endpoint, secret, rotated=True)

    def _secret_page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str, *, rotated: bool = False
    ) -> HttpResponse:
        """The secret travels in this one page: not in a message, whose store is a cookie."""
        page = self._show(
            request,
            "secret.html",
            title="Signing secret",
            endpoint=endpoint,
            secret=secret,
            rotated=rotated,
        )
        add_never_cache_headers(page)
        return page

    def _show(
        self, request: HttpRequest, template: str, *, title: str, **context: Any
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/outgoing/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                **context,
            },
        )

    # --- Deeds --------------------------------------------------------------------------------

    def _ping(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        redelivering.ping(endpoint_id=endpoint.pk, actor=user_actor(request.user))
        held_until = endpoint.held_until
        if held_until and held_until > timezone.now():
            return f"The ping leaves when the endpoint's rest ends ({held_until:%H:%M:%S} UTC)."
        return "A ping is on its way: it shows below in a moment."

    def _forget(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        endpoints.forget_previous_secret(endpoint_id=endpoint.pk, actor=user_actor(request.user))
        return "Webhooks are signed with the new secret alone from now on."

    def _enable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        endpoints.enable(endpoint_id=endpoint.pk, actor=user_actor(request.user))
        return "Enabled: what waited is being sent."

    def _disable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        endpoints.disable(
            endpoint_id=endpoint.pk,
            actor=user_actor(request.user),
            reason=request.POST.get("reason", "").strip(),
        )
        return "Disabled: what waits goes on waiting."

    def _remove(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        endpoints.remove(endpoint_id=endpoint.pk, actor=user_actor(request.user))
        return f"{endpoint} was removed. Its deliveries stay in the log."

    def _redeliver(self, request: HttpRequest, endpoint: WebhookEndpoint) -> str:
        form = SinceForm(request.POST)
        if not form.is_valid():
            raise OutgoingError("since: give a date and a time in UTC.")
        number = redelivering.redeliver_failed(
            endpoint_id=endpoint.pk,
            since=form.cleaned_data["since"],
            actor=user_actor(request.user),
        )
        return f"{number:,} failed deliveries are on their way again."

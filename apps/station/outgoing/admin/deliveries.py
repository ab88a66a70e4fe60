"""The log of deliveries: what was sent where, how often, and what came back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from unfold.decorators import display

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.admin.scoped import BrandFilter, ReadOnlyAdmin
from apps.brands.rights import Right
from apps.station.outgoing import redelivering
from apps.station.outgoing.admin.wording import STATE_TONES
from apps.station.outgoing.calling import body_of, webhook_id
from apps.station.outgoing.errors import OutgoingError
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

_LARGEST_ID = 2**63 - 1
MOST_CHOICES = 100


class EndpointFilter(SimpleListFilter):
    """By endpoint; offers those of brands that the user may see."""

    title = "endpoint"
    parameter_name = "to"

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        seen = rights.brand_ids(request.user, Right.VIEW)
        kept = WebhookEndpoint.objects.filter(brand_id__in=seen).only("url", "description")
        return [(str(one.pk), str(one)) for one in kept.order_by("-pk")[:MOST_CHOICES]]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen is None:
            return queryset
        known = {value for value, _ in self.lookup_choices}
        return queryset.filter(endpoint_id=int(chosen)) if chosen in known else queryset.none()


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "recorded",
        "type",
        "endpoint",
        "shown_state",
        "tries",
        "answer",
        "took",
        "told",
    )
    list_filter = (BrandFilter, EndpointFilter, "state")
    list_select_related = ("endpoint",)
    ordering = ("-pk",)
    actions = ("redeliver_chosen",)

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={"delivered": "success", "failed": "danger", "waiting": "info"},
    )
    def shown_state(self, delivery: WebhookDelivery) -> str:
        return delivery.get_state_display()

    @admin.display(description="recorded (UTC)")
    def recorded(self, delivery: WebhookDelivery) -> str:
        return f"{delivery.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="tries")
    def tries(self, delivery: WebhookDelivery) -> int:
        return delivery.attempts

    @admin.display(description="answer")
    def answer(self, delivery: WebhookDelivery) -> int | None:
        return delivery.last_status

    @admin.display(description="took")
    def took(self, delivery: WebhookDelivery) -> str:
        return "" if delivery.latency_ms is None else f"{delivery.latency_ms:,}\N{NO-BREAK SPACE}ms"

    @admin.display(description="told")
    def told(self, delivery: WebhookDelivery) -> str:
        return delivery.last_error

    def get_actions(self, request: HttpRequest) -> Any:
        return super().get_actions(request) if self.allows(request, Right.REDRIVE) else {}

    @admin.action(description="Send again")
    def redeliver_chosen(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> None:
        chosen = list(rows)
        for delivery in chosen:
            self.require(request, Right.REDRIVE, delivery)
        sent = 0
        for delivery in chosen:
            try:
                redelivering.redeliver(delivery_id=delivery.pk, actor=user_actor(request.user))
            except OutgoingError as error:
                self.message_user(request, f"Delivery {delivery.pk}: {error}", messages.WARNING)
            else:
                sent += 1
        if sent:
            self.message_user(request, f"{sent} deliveries are on their way again.")

    def get_urls(self) -> list[URLPattern]:
        again = path(
            "<int:delivery_id>/again/",
            self.admin_site.admin_view(self.again),
            name="station_webhookdelivery_again",
        )
        return [again, *super().get_urls()]

    def found(self, request: HttpRequest, delivery_id: int) -> WebhookDelivery:
        """The delivery with event and endpoint, if the user may see it. Raises Http404."""
        rows = self.get_queryset(request).select_related("endpoint", "event")
        delivery: WebhookDelivery | None = (
            rows.filter(pk=delivery_id).first() if delivery_id <= _LARGEST_ID else None
        )
        if delivery is None:
            raise Http404(f"There is no delivery {delivery_id}.")
        return delivery

    def again(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.require(request, Right.REDRIVE, self.found(request, delivery_id))
        try:
            redelivering.redeliver(delivery_id=delivery_id, actor=user_actor(request.user))
        except OutgoingError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "On its way again.")
        url = reverse("admin:station_webhookdelivery_change", args=[delivery_id])
        return HttpResponseRedirect(url)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404("A delivery is named by its number.")
        delivery = self.found(request, int(object_id))
        event = delivery.event
        body = body_of(type=event.type, occurred_at=event.occurred_at, data=event.data)
        return TemplateResponse(
            request,
            "admin/outgoing/delivery.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": f"Delivery {delivery.pk}",
                "delivery": delivery,
                "webhook_id": webhook_id(event.uid),
                "tone": STATE_TONES[delivery.state],
                "body": json.dumps(json.loads(body), indent=2, ensure_ascii=False),
                "tries": [(parse_datetime(one["at"]), one) for one in reversed(delivery.history)],
                "may_redrive": self.allows(request, Right.REDRIVE, delivery),
                "endpoint_is_kept": delivery.endpoint.removed_at is None,
            },
        )

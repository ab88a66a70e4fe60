"""Deliveries: the log of what was sent, and sending again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import NothingSerializer
from apps.brands.api.filters import CharFilter, ChoiceFilter, FilterSet
from apps.brands.api.pages import LARGEST_ID, whole_number
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.station.outgoing import redelivering
from apps.station.outgoing.api.serializers import DeliveryDetailSerializer, DeliverySerializer
from apps.station.outgoing.errors import OutgoingError
from apps.station.outgoing.event_types import PING, EventType
from apps.station.outgoing.models import WebhookDelivery

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class DeliveryFilter(FilterSet):
    endpoint_id = CharFilter(method="by_endpoint", label="The id of an endpoint.")
    state = ChoiceFilter(choices=WebhookDelivery.State.choices)
    type = ChoiceFilter(choices=[*EventType.choices, (PING, PING)])

    @extend_schema_field(OpenApiTypes.INT)
    def by_endpoint(self, rows: QuerySet[Any], name: str, _value: str) -> QuerySet[Any]:
        return rows.filter(endpoint_id=whole_number(self.request, name, at_most=LARGEST_ID))


class WebhookDeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """What was sent to the brand's endpoints, or waits to be."""

    scopes: ClassVar = {
        "list": Scope.WEBHOOKS_READ,
        "retrieve": Scope.WEBHOOKS_READ,
        "redeliver": Scope.WEBHOOKS_WRITE,
    }
    problems: ClassVar = {OutgoingError: lambda error: ConflictError(str(error))}
    queryset = WebhookDelivery.objects.all()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows if self.action == "list" else rows.select_related("event")

    @extend_schema(responses=DeliveryDetailSerializer)
    def retrieve(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """One delivery with what was sent, each try, and what came back."""
        return Response(DeliveryDetailSerializer(self.get_object()).data)

    @extend_schema(request=NothingSerializer, responses=DeliveryDetailSerializer)
    @action(detail=True, methods=["post"])
    def redeliver(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Send it again now, whatever became of it; its webhook id stays the same."""
        self.read_body(NothingSerializer)
        delivery = self.get_object()
        redelivering.redeliver(delivery_id=delivery.pk, actor=self.actor)
        return Response(DeliveryDetailSerializer(self.get_object()).data)

"""Webhook endpoints: added, changed, tried out, switched off and on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import NothingSerializer
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.station.outgoing import endpoints, redelivering
from apps.station.outgoing.api.serializers import (
    DeliveryDetailSerializer,
    DisableSerializer,
    EndpointChangeSerializer,
    EndpointCreateSerializer,
    EndpointSerializer,
    RedeliveredSerializer,
    SecretSerializer,
    SinceSerializer,
)
from apps.station.outgoing.errors import EndpointStateError, InvalidEndpointError
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request


class WebhookEndpointViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """Addresses of other systems that are told what happens. See docs/webhooks.md."""

    scopes: ClassVar = {
        "list": Scope.WEBHOOKS_READ,
        "retrieve": Scope.WEBHOOKS_READ,
        "create": Scope.WEBHOOKS_WRITE,
        "partial_update": Scope.WEBHOOKS_WRITE,
        "destroy": Scope.WEBHOOKS_WRITE,
        "secret": Scope.WEBHOOKS_WRITE,
        "rotate_secret": Scope.WEBHOOKS_WRITE,
        "forget_previous_secret": Scope.WEBHOOKS_WRITE,
        "enable": Scope.WEBHOOKS_WRITE,
        "disable": Scope.WEBHOOKS_WRITE,
        "ping": Scope.WEBHOOKS_WRITE,
        "redeliver_failed": Scope.WEBHOOKS_WRITE,
    }
    problems: ClassVar = {
        EndpointStateError: lambda error: ConflictError(str(error)),
        InvalidEndpointError: lambda error: ValidationError(
            {field: [text] for field, text in error.problems.items()}
        ),
    }
    queryset = WebhookEndpoint.objects.kept()
    serializer_class = EndpointSerializer

    @extend_schema(request=EndpointCreateSerializer, responses={201: EndpointSerializer})
    def create(self, _request: Request) -> Response:
        """Add an endpoint; it is told what happens from now on. Its secret is asked for apart."""
        data = self.read_body(EndpointCreateSerializer)
        endpoint = endpoints.add(brand_id=self.brand.pk, actor=self.actor, **data)
        return Response(EndpointSerializer(endpoint).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=EndpointChangeSerializer, responses=EndpointSerializer)
    def partial_update(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Change address, description or events. What waits is sent to the new address."""
        endpoint = self.get_object()
        data = self.read_body(EndpointChangeSerializer)
        endpoints.change(endpoint_id=endpoint.pk, actor=self.actor, **data)
        return self._answer_with(endpoint)

    @extend_schema(responses={204: None})
    def destroy(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Remove the endpoint. Nothing is sent to it any more, not even what waits."""
        endpoints.remove(endpoint_id=self.get_object().pk, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=SecretSerializer)
    @action(detail=True, methods=["get"])
    def secret(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """The secret that webhooks are signed with; the newest where two are valid."""
        return Response(SecretSerializer(self.get_object()).data)

    @extend_schema(request=NothingSerializer, responses=EndpointSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Make a new secret. The present one stays valid beside it until it is forgotten."""
        return self._do(endpoints.rotate_secret)

    @extend_schema(request=NothingSerializer, responses=EndpointSerializer)
    @action(detail=True, methods=["post"], url_path="forget-previous-secret")
    def forget_previous_secret(self, _request: Request, pk: str) -> Response:  # noqa: ARG002
        """Once your receiver verifies with the new one."""
        return self._do(endpoints.forget_previous_secret)

    @extend_schema(request=NothingSerializer, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Send what waits, and everything new."""
        return self._do(endpoints.enable)

    @extend_schema(request=DisableSerializer, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Send nothing, and record nothing new for it."""
        endpoint = self.get_object()
        data = self.read_body(DisableSerializer)
        endpoints.disable(endpoint_id=endpoint.pk, actor=self.actor, **data)
        return self._answer_with(endpoint)

    @extend_schema(request=NothingSerializer, responses={201: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def ping(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Send a webhook of the type `ping`, to try the endpoint out."""
        self.read_body(NothingSerializer)
        endpoint = self.get_object()
        delivery_id = redelivering.ping(endpoint_id=endpoint.pk, actor=self.actor)
        delivery = WebhookDelivery.objects.select_related("event").get(pk=delivery_id)
        told = DeliveryDetailSerializer(delivery).data
        return Response(told, status=status.HTTP_201_CREATED)

    @extend_schema(request=SinceSerializer, responses=RedeliveredSerializer)
    @action(detail=True, methods=["post"], url_path="redeliver-failed")
    def redeliver_failed(self, _request: Request, pk: str) -> Response:  # noqa: ARG002
        """Send again all that was recorded since a time and failed."""
        endpoint = self.get_object()
        since = self.read_body(SinceSerializer)["since"]
        number = redelivering.redeliver_failed(
            endpoint_id=endpoint.pk, since=since, actor=self.actor
        )
        return Response(RedeliveredSerializer({"number": number}).data)

    def _do(self, deed: Callable[..., object]) -> Response:
        self.read_body(NothingSerializer)
        endpoint = self.get_object()
        deed(endpoint_id=endpoint.pk, actor=self.actor)
        return self._answer_with(endpoint)

    def _answer_with(self, endpoint: WebhookEndpoint) -> Response:
        return Response(EndpointSerializer(self.get_queryset().get(pk=endpoint.pk)).data)

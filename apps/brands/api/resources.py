"""The key's own brand and its senders: read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.response import Response

from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.api.views import StationViewSet
from apps.brands.models import Brand, Scope, Sender

if TYPE_CHECKING:
    from rest_framework.request import Request


class BrandSerializer(StrictSerializer):
    object = ObjectName("brand")
    id = serializers.IntegerField(read_only=True)
    slug = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    postal_address = serializers.CharField(read_only=True)
    website = serializers.CharField(read_only=True)
    timezone = serializers.CharField(read_only=True)
    locale = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class SenderSerializer(StrictSerializer):
    object = ObjectName("sender")
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    reply_to = serializers.CharField(read_only=True)
    is_default = serializers.BooleanField(read_only=True)
    verified_at = serializers.DateTimeField(read_only=True, allow_null=True)


class BrandView(StationViewSet):
    """The brand that the key belongs to."""

    scopes: ClassVar = {"retrieve": Scope.BRAND_READ}
    queryset = Brand.objects.all()
    serializer_class = BrandSerializer
    brand_lookup = "pk"

    @extend_schema(operation_id="brand_retrieve")
    def retrieve(self, _request: Request) -> Response:
        """The brand that the key belongs to."""
        return Response(self.get_serializer(self.brand).data)


class SenderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """The addresses that the brand sends from."""

    scopes: ClassVar = {"list": Scope.BRAND_READ, "retrieve": Scope.BRAND_READ}
    queryset = Sender.objects.all()
    serializer_class = SenderSerializer

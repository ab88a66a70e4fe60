"""How many subscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from apps.brands.api.buckets import Bucket
from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.models import Scope
from apps.newsletter import rules
from apps.newsletter.api.public import BRAND_HELP, PublicViewSet
from apps.newsletter.counting import count_subscribers

if TYPE_CHECKING:
    from rest_framework.request import Request


class CountSerializer(StrictSerializer):
    object = ObjectName("count")
    subscribers = serializers.IntegerField(
        min_value=0, read_only=True, help_text="Rounded down; 0 for fewer than ten."
    )


class CountView(PublicViewSet):
    scopes: ClassVar = {"retrieve": Scope.CONTACTS_READ}
    parameters: ClassVar = {"retrieve": ("brand",)}
    bucket = Bucket.PUBLIC

    @extend_schema(
        operation_id="email_count",
        parameters=[OpenApiParameter("brand", str, description=BRAND_HELP)],
        responses={200: CountSerializer},
        summary="How many subscribe",
    )
    def retrieve(self, request: Request) -> Response:
        """In round numbers, a minute old at most; those of today are not in it yet."""
        brand = self.asked_brand(request.query_params.get("brand", ""), needs_origin=False)
        if request.auth is None and not rules.rules_of(brand).shows_count:
            raise PermissionDenied("The brand does not tell how many subscribe.")
        self.headers["Cache-Control"] = f"public, max-age={settings.COUNT_CACHE_SECONDS}"
        return Response(CountSerializer({"subscribers": count_subscribers(brand)}).data)

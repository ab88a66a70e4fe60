"""Suppressions: who must not be mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.contacts import suppressing
from apps.contacts.api.filters import SuppressionFilter, look_up_address
from apps.contacts.api.serializers import (
    SuppressionCreateSerializer,
    SuppressionLiftSerializer,
    SuppressionSerializer,
)
from apps.contacts.errors import NotLiftableError
from apps.contacts.models import Contact, Suppression, SuppressionOrigin, SuppressionReason

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class SuppressionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """The brand's own, and of those that hold for all brands the ones of the brand's contacts."""

    scopes: ClassVar = {
        "list": Scope.SUPPRESSIONS_READ,
        "retrieve": Scope.SUPPRESSIONS_READ,
        "create": Scope.SUPPRESSIONS_WRITE,
        "lift": Scope.SUPPRESSIONS_WRITE,
    }
    problems: ClassVar = {NotLiftableError: ConflictError}
    queryset = Suppression.objects.filter(address__isnull=False)
    serializer_class = SuppressionSerializer
    filterset_class = SuppressionFilter

    def brand_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        known = Contact.objects.filter(brand=self.brand, address=OuterRef("address"))
        return rows.filter(Q(brand=self.brand) | Q(Exists(known), brand=None))

    @extend_schema(
        request=SuppressionCreateSerializer,
        responses={200: SuppressionSerializer, 201: SuppressionSerializer},
    )
    def create(self, _request: Request) -> Response:
        """Block an address for the brand. 200 where it was blocked already."""
        data = self.read_body(SuppressionCreateSerializer)
        address = look_up_address(data["email"])
        is_new = suppressing.suppress(
            address=address,
            reason=SuppressionReason.BLOCKED,
            origin=SuppressionOrigin.OPERATOR,
            now=timezone.now(),
            brand_id=self.brand.pk,
            detail=data["detail"] or f"by {self.actor}",
        )
        suppression = Suppression.objects.active().get(
            address=address, brand=self.brand, reason=SuppressionReason.BLOCKED
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(SuppressionSerializer(suppression).data, status=code)

    @extend_schema(request=SuppressionLiftSerializer, responses=SuppressionSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, _request: Request, pk: str) -> Response:
        """End a block of the brand's own. Everything else is a person's business, in admin."""
        data = self.read_body(SuppressionLiftSerializer)
        suppression = self.get_object()
        if suppression.brand_id is None or suppression.reason != SuppressionReason.BLOCKED:
            raise ConflictError(
                "Only what this brand blocked by hand can be lifted here; ask an operator."
            )
        suppressing.lift_by_operator(
            suppression_id=int(pk),
            lifted_by=self.actor,
            note=data["note"],
            now=timezone.now(),
        )
        suppression.refresh_from_db()
        return Response(SuppressionSerializer(suppression).data)

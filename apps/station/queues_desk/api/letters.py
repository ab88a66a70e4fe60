"""Dead letters: listed, inspected, driven again, discarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import NothingSerializer
from apps.brands.api.filters import CharFilter, ChoiceFilter, FilterSet
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.queues import bulk_redriving, dead_letters
from apps.queues.errors import QueueError
from apps.queues.models import BulkRedrive, DeadLetter
from apps.station.queues_desk.api.serializers import (
    BulkRedriveSerializer,
    DeadLetterSerializer,
    DiscardSerializer,
    KindSerializer,
)
from apps.station.queues_desk.covering import covers_all

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class DeadLetterFilter(FilterSet):
    queue = CharFilter()
    task = CharFilter()
    reason = CharFilter()
    state = ChoiceFilter(choices=DeadLetter.State.choices)


class DeadLetterViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """Work that gave up: of the key's brand, and what belongs to the installation as a whole.

    The latter can be read by every key, and driven or discarded by keys of its only brand.
    """

    scopes: ClassVar = {
        "list": Scope.QUEUES_READ,
        "retrieve": Scope.QUEUES_READ,
        "redrive": Scope.QUEUES_WRITE,
        "discard": Scope.QUEUES_WRITE,
        "redrive_kind": Scope.QUEUES_WRITE,
    }
    problems: ClassVar = {QueueError: lambda error: ConflictError(str(error))}
    queryset = DeadLetter.objects.all()
    serializer_class = DeadLetterSerializer
    filterset_class = DeadLetterFilter

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return DeadLetter.objects.none()
        mine = Q(brand_id=self.brand.pk) | Q(brand_id=None)
        return DeadLetter.objects.filter(mine)

    @extend_schema(request=NothingSerializer, responses=DeadLetterSerializer)
    @action(detail=True, methods=["post"])
    def redrive(self, _request: Request, pk: str) -> Response:
        """Make the work due again. 409 where somebody was quicker, or it must not be done again."""
        self.read_body(NothingSerializer)
        letter = self._own_letter()
        dead_letters.redrive(letter_id=letter.pk, by=self.actor)
        return self._answer_with(pk)

    @extend_schema(request=DiscardSerializer, responses=DeadLetterSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, _request: Request, pk: str) -> Response:
        """Close the letter without doing its work."""
        note = self.read_body(DiscardSerializer)["note"]
        letter = self._own_letter()
        dead_letters.discard(letter_id=letter.pk, by=self.actor, note=note)
        return self._answer_with(pk)

    @extend_schema(
        operation_id="queues_dead_letters_redrive_kind",
        request=KindSerializer,
        responses={202: BulkRedriveSerializer},
        summary="Drive all open letters of a kind again",
    )
    @action(detail=False, methods=["post"], url_path="redrive")
    def redrive_kind(self, _request: Request) -> Response:
        """In the background; ask `bulk-redrives/{id}` how far it is.

        Letters that come later are left alone.
        """
        kind = self.read_body(KindSerializer)
        brands = None if covers_all([self.brand.pk]) else [self.brand.pk]
        bulk = bulk_redriving.ask(by=self.actor, brand_ids=brands, **kind)
        return Response(BulkRedriveSerializer(bulk).data, status=status.HTTP_202_ACCEPTED)

    def _own_letter(self) -> DeadLetter:
        letter: DeadLetter = self.get_object()
        if letter.brand_id is None and not covers_all([self.brand.pk]):
            raise ConflictError(
                "This letter belongs to the whole installation, not to the key's brand: an "
                "operator drives or discards it in admin."
            )
        return letter

    def _answer_with(self, pk: str) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=pk)).data)


class BulkRedriveViewSet(mixins.RetrieveModelMixin, StationViewSet):
    """How far a bulk redrive is that a key of the brand asked for."""

    scopes: ClassVar = {"retrieve": Scope.QUEUES_READ}
    queryset = BulkRedrive.objects.all()
    serializer_class = BulkRedriveSerializer

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return BulkRedrive.objects.none()
        if covers_all([self.brand.pk]):
            return BulkRedrive.objects.all()
        return BulkRedrive.objects.filter(brand_ids=[self.brand.pk])

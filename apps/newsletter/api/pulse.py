"""Taking interactions in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.buckets import Bucket
from apps.brands.api.documents import ERROR
from apps.brands.api.errors import UnavailableError
from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.api.parsing import StationJSONParser
from apps.brands.api.views import StationViewSet
from apps.brands.models import Brand, Scope
from apps.newsletter.models.engagement import EVENT_ID_LIMIT, KIND_PATTERN, SUBJECT_LIMIT
from apps.newsletter.pulse import taking
from apps.newsletter.pulse.errors import BehindError, InvalidInteractionsError
from apps.newsletter.pulse.reading import LARGEST_ID

if TYPE_CHECKING:
    from rest_framework.request import Request


class PulseJSONParser(StationJSONParser):
    """Bodies of up to FLUX_PULSE_BODY_BYTES."""

    def body_limit(self) -> int:
        return settings.PULSE_BODY_BYTES


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.CharField):
    """A time in ISO 8601."""


class InteractionSerializer(StrictSerializer):
    """For the document only: `pulse.reading` checks thousands of them a hundred times faster."""

    id = serializers.RegexField(r"^[!-~]+$", max_length=EVENT_ID_LIMIT)
    kind = serializers.RegexField(KIND_PATTERN)
    occurred_at = Moment()
    contact = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    email = serializers.CharField(required=False)
    subject = serializers.CharField(required=False, max_length=SUBJECT_LIMIT)


class PulseSerializer(StrictSerializer):
    interactions = InteractionSerializer(many=True, allow_empty=False)


class TakenSerializer(StrictSerializer):
    object = ObjectName("pulse")
    id = serializers.IntegerField(read_only=True)
    taken = serializers.IntegerField(source="rows", read_only=True)


def _wrong(error: InvalidInteractionsError) -> ValidationError:
    return ValidationError(error.errors)


def _behind(error: BehindError) -> UnavailableError:
    return UnavailableError(error, wait_seconds=error.wait_seconds)


class PulseView(StationViewSet):
    """Interactions that other systems tell of, thousands in a call."""

    scopes: ClassVar = {"create": Scope.PULSE_WRITE}
    problems: ClassVar[Any] = {InvalidInteractionsError: _wrong, BehindError: _behind}
    bucket = Bucket.QUEUE_WORKER
    parser_classes = (PulseJSONParser,)
    queryset = Brand.objects.none()
    serializer_class = PulseSerializer

    @extend_schema(
        operation_id="pulse",
        request=PulseSerializer,
        responses={
            202: TakenSerializer,
            503: OpenApiResponse(ERROR, "Too much waits; wait for `Retry-After` seconds."),
        },
        summary="Tell what people did",
    )
    def create(self, request: Request) -> Response:
        """Keeps the interactions and answers; they are stored within seconds.

        `id` is the caller's name of the interaction: told twice, with the same `occurred_at`, it
        counts once. `contact` or `email` says who it was; without either, or where nobody is known
        by it, the interaction is kept for figures only. One wrong interaction and none is kept:
        `errors` names the places (`interactions.3.kind`). 503 says that too much waits to be
        stored: send it again after `Retry-After` seconds.
        """
        told = cast("dict[str, Any]", request.data)  # the parser lets nothing else in
        unknown = set(told) - {"interactions"}
        if unknown:
            raise ValidationError(
                {name: ["Unknown field. Known are: interactions."] for name in sorted(unknown)}
            )
        call = taking.take(brand_id=self.brand.pk, interactions=told.get("interactions"))
        return Response(TakenSerializer(call).data, status=status.HTTP_202_ACCEPTED)

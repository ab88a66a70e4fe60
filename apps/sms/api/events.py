"""What people did with texts, as other systems report it: one event or up to a thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.parsing import BulkJSONParser
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.sms.api.documents import EVENT, one_or_many
from apps.sms.api.serializers import BulkAnswerSerializer
from apps.sms.models import TrackingEvent
from apps.sms.tracking.reading import Outcome, take

if TYPE_CHECKING:
    from rest_framework.request import Request

MOST_ITEMS = 1000


class TextEventViewSet(StationViewSet):
    """Clicks, purchases, keywords and replies of the brand's people."""

    scopes: ClassVar = {"create": Scope.SMS_WRITE}
    queryset = TrackingEvent.objects.none()
    parser_classes = (BulkJSONParser,)

    @extend_schema(
        request=one_or_many(EVENT, most=MOST_ITEMS),
        responses={200: BulkAnswerSerializer},
        summary="Report events",
    )
    def create(self, request: Request) -> Response:
        """Each is matched by phone, else by email, and counted once.

        A list is answered with 200 and a result for each; `recorded` is false for an event that
        was counted before. A single event that cannot be recorded is answered with 422.
        """
        given = request.data if isinstance(request.data, list) else [request.data]
        if not 1 <= len(given) <= MOST_ITEMS:
            told = f"Must have 1 to {MOST_ITEMS:,} items, not {len(given):,}."
            raise ValidationError({"body": [told]})
        outcomes = take(given, brand_id=self.brand.pk, source=TrackingEvent.Source.API)
        if not isinstance(request.data, list) and outcomes[0].errors:
            raise ValidationError(outcomes[0].errors)
        return Response(answer(outcomes))


def answer(outcomes: list[Outcome]) -> dict[str, Any]:
    """As the API and the webhook tell what became of events."""
    results = [_result(number, one) for number, one in enumerate(outcomes)]
    return {"success": all(one["success"] for one in results), "results": results}


def _result(number: int, outcome: Outcome) -> dict[str, Any]:
    if outcome.errors:
        return {"index": number, "success": False, "errors": outcome.errors}
    return {"index": number, "success": True, "recorded": outcome.recorded}

"""Subscribers: added or changed by number, one or up to a thousand at once; read, listed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.answering import error_body
from apps.brands.api.filters import CharFilter, ChoiceFilter, FilterSet
from apps.brands.api.parsing import BulkJSONParser
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.sms import zones
from apps.sms.api.documents import SUBSCRIBER, one_or_many
from apps.sms.api.rendering import QuickJSONRenderer
from apps.sms.api.serializers import (
    BulkAnswerSerializer,
    SubscriberSerializer,
    UpsertAnswerSerializer,
)
from apps.sms.models import Subscriber
from apps.sms.upserts.reaching import reach_of
from apps.sms.upserts.reading import PHONE_REQUIRED, read_item
from apps.sms.upserts.saving import Saved, save
from apps.sms.upserts.showing import hide_foreign, show_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from apps.sms.upserts.reading import Item, Problems, Reach

MOST_ITEMS = 1000
ERASED = "The person had all traces removed and cannot be added again."

_ANSWERS = PolymorphicProxySerializer(
    component_name="SubscriberUpsertAnswer",
    serializers=[UpsertAnswerSerializer, BulkAnswerSerializer],
    resource_type_field_name=None,
    many=False,
)


class SubscriberFilter(FilterSet):
    phone = CharFilter(method="by_phone", label="The whole number.")
    email = CharFilter(method="by_email", label="The whole address.")
    status = ChoiceFilter(choices=Subscriber.Status.choices)

    def by_phone(self, rows: QuerySet[Any], _name: str, phone: str) -> QuerySet[Any]:
        try:
            return rows.filter(phone=zones.read_phone(phone))
        except zones.PhoneError as error:
            raise ValidationError({"phone": [str(error)]}) from None

    def by_email(self, rows: QuerySet[Any], _name: str, email: str) -> QuerySet[Any]:
        return rows.filter(email=email.strip().lower())


class SubscriberViewSet(StationViewSet):
    """People who get texts. Those read are the ones who belong, or belonged, to the key's brand."""

    scopes: ClassVar = {
        "list": Scope.SUBSCRIBERS_READ,
        "retrieve": Scope.SUBSCRIBERS_READ,
        "create": Scope.SUBSCRIBERS_WRITE,
    }
    queryset = Subscriber.objects.all()
    serializer_class = SubscriberSerializer
    filterset_class = SubscriberFilter
    parser_classes = (BulkJSONParser,)
    renderer_classes = (QuickJSONRenderer,)
    brand_lookup = "subscriptions__brand"

    @cached_property
    def reach(self) -> Reach:
        return reach_of(self.api_key)

    @extend_schema(responses=SubscriberSerializer(many=True))
    def list(self, _request: Request) -> Response:
        """Newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset().only("pk"))) or []
        shown = show_many([one.pk for one in page], self.reach)
        return self.get_paginated_response([shown[one.pk] for one in page])

    @extend_schema(responses=SubscriberSerializer)
    def retrieve(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One person."""
        found = self.get_object()
        return Response(show_many([found.pk], self.reach)[found.pk])

    @extend_schema(
        request=one_or_many(SUBSCRIBER, most=MOST_ITEMS),
        responses={200: _ANSWERS},
        summary="Add or change subscribers by number",
    )
    def create(self, request: Request) -> Response:
        """One person, or a list of up to 1,000 with a result for each; absent fields stay.

        A list is answered with 200 also where items failed: see `results`. Nobody who left is
        brought back without an `opt_in` given after they left; such fields are named in
        `kept_out`.
        """
        given = request.data
        if isinstance(given, list):
            return self._save_many(given)
        item, problems = read_item(given, self.reach)
        if item is None:
            return _refused(problems)
        result = self._save([item])[0]
        if not result["success"]:
            body = error_body(409, "conflict", result["error"])
            return Response(body, status=status.HTTP_409_CONFLICT)
        return Response(result)

    def _save_many(self, given: Sequence[Any]) -> Response:
        if not 1 <= len(given) <= MOST_ITEMS:
            told = f"Must have 1 to {MOST_ITEMS:,} items, not {len(given):,}."
            raise ValidationError({"body": [told]})
        read = [read_item(one, self.reach) for one in given]
        results = iter(self._save([item for item, _ in read if item is not None]))
        answers = [
            {"index": index, **(_failure(problems) if item is None else next(results))}
            for index, (item, problems) in enumerate(read)
        ]
        return Response({"success": all(one["success"] for one in answers), "results": answers})

    def _save(self, items: Sequence[Item]) -> Sequence[dict[str, Any]]:
        saved = save(items=items, reach=self.reach)
        shown = show_many({one.id for one in saved.values()}, self.reach)
        return [_result(item, saved.get(item.phone), shown) for item in items]


def _refused(problems: Problems) -> Response:
    if problems.get("phone") == [PHONE_REQUIRED]:
        return Response({"error": PHONE_REQUIRED}, status=status.HTTP_400_BAD_REQUEST)
    raise ValidationError(problems)


def _failure(problems: Problems) -> dict[str, Any]:
    if problems.get("phone") == [PHONE_REQUIRED]:
        return {"success": False, "error": PHONE_REQUIRED, "errors": problems}
    told = f"Please correct: {', '.join(problems)}."
    return {"success": False, "error": told, "errors": problems}


def _result(item: Item, saved: Saved | None, shown: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if saved is None:
        return {"success": False, "error": ERASED, "errors": {"phone": [ERASED]}}
    subscriber = shown[saved.id]
    if not saved.created:
        subscriber = hide_foreign(subscriber, item)
    result = {"success": True, "created": saved.created, "subscriber": subscriber}
    return {**result, "kept_out": saved.kept_out} if saved.kept_out else result

"""The base of every resource: one brand, scopes, pages, one form of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.utils import translation
from rest_framework import viewsets
from rest_framework.exceptions import APIException, ValidationError

from apps.brands.api import idempotency, throttling
from apps.brands.api.buckets import Bucket, key_caller
from apps.brands.api.errors import RateLimitError
from apps.brands.api.pages import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponseBase
    from rest_framework import serializers
    from rest_framework.filters import BaseFilterBackend
    from rest_framework.request import Request
    from rest_framework.response import Response

    from apps.brands.api.buckets import Caller
    from apps.brands.models import ApiKey, Brand, Scope

    GenericViewSet = viewsets.GenericViewSet[Any]

    # django-filter has no types.
    class DjangoFilterBackend(BaseFilterBackend):
        def get_filterset_class(self, view: Any, queryset: QuerySet[Any]) -> Any: ...
else:
    GenericViewSet = viewsets.GenericViewSet
    from django_filters.rest_framework import DjangoFilterBackend


class KnownFilters(DjangoFilterBackend):
    """Refuses query parameters that the list does not know: a misspelt filter would show all."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        if view.action != "list":  # DRF filters when it looks up one object, too
            return queryset
        filterset = self.get_filterset_class(view, queryset)
        known = {name for name, _, _ in PARAMETERS}
        if filterset is not None:
            known |= set(filterset.base_filters)
        refuse_unknown_parameters(request, known)
        return super().filter_queryset(request, queryset, view)


def refuse_unknown_parameters(request: Request, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        told = f"Unknown parameter. Known are: {', '.join(sorted(known)) or 'none'}."
        raise ValidationError({name: [told] for name in unknown})
    for name in known & set(request.query_params):
        if any("\x00" in value for value in request.query_params.getlist(name)):
            raise ValidationError({name: ["Must not hold a NUL character."]})


class StationViewSet(GenericViewSet):
    """Rows of the key's brand and of no other: what belongs to another brand is not found.

    `scopes` names the scope of each action. `problems` says which API error an error of the room
    becomes.
    `parameters` names the query parameters of actions other than the list.
    Actions in `asks_provider` call out and so get no transaction around them.
    `bucket` is the allowance that calls are counted against (see `buckets`).
    """

    scopes: ClassVar[Mapping[str, Scope]]
    problems: ClassVar[Mapping[type[Exception], Callable[[Any], APIException]]] = {}
    asks_provider: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    bucket = Bucket.API
    brand_lookup = "brand"
    lookup_value_regex = r"[0-9]{1,18}"
    filter_backends = (KnownFilters,)
    http_method_names = ["get", "head", "post", "patch", "delete"]

    @property
    def api_key(self) -> ApiKey:
        return cast("ApiKey", self.request.auth)

    @property
    def brand(self) -> Brand:
        return self.api_key.brand

    @property
    def actor(self) -> str:
        """Who calls, for services that keep by whom something was done."""
        return self.api_key.actor

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "no-store"}

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return self.brand_rows(rows)

    def brand_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those that the key may see."""
        return rows.filter(**{self.brand_lookup: self.brand})

    def read_body(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The validated body. Raises `ValidationError`."""
        body = serializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def initial(self, request: Request, *_args: Any, **_kwargs: Any) -> None:
        """As DRF's, but calls are counted before scopes are looked at."""
        self.format_kwarg = None
        neg = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = neg
        request.version, request.versioning_scheme = None, None
        self.perform_authentication(request)
        self.check_throttles(request)
        self.check_permissions(request)
        if self.action != "list":
            refuse_unknown_parameters(request, set(self.parameters.get(self.action or "", ())))

    def counted_as(self, request: Request) -> Caller | None:
        """Whose allowance a call takes from; None: nobody's, for it is refused anyway."""
        return None if request.auth is None else key_caller(request.auth.pk)

    def check_throttles(self, request: Request) -> None:
        caller = self.counted_as(request)
        if caller is None:
            return
        verdict = throttling.take(self.bucket, caller)
        self.headers.update(verdict.headers)
        if not verdict.granted:
            raise RateLimitError(verdict.wait_seconds)

    def handle_exception(self, exc: Exception) -> Response:
        for known, answer in self.problems.items():
            if isinstance(exc, known):
                return super().handle_exception(answer(exc))
        return super().handle_exception(exc)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As DRF's, with the handler of a POST behind its Idempotency-Key; messages in English."""
        with translation.override("en"):
            return self._dispatch(request, *args, **kwargs)

    def _dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        wrapped = self.initialize_request(request, *args, **kwargs)
        self.request = wrapped
        self.headers = self.default_response_headers
        try:
            self.initial(wrapped, *args, **kwargs)
            name = (wrapped.method or "").lower()
            known = name if name in self.http_method_names else "http_method_not_allowed"
            handler = getattr(self, known, self.http_method_not_allowed)
            response = self._answer(lambda: handler(wrapped, *args, **kwargs))
        except Exception as error:  # noqa: BLE001 - every error gets its answer
            response = self.handle_exception(error)
        self.response = self.finalize_response(wrapped, response, *args, **kwargs)
        return self.response

    def idempotency_key(self) -> str | None:
        """Under which the answer is kept. Raises `BadIdempotencyKeyError`."""
        return idempotency.given_key(self.request)

    def _answer(self, work: Callable[[], Response]) -> Response:
        key = self.idempotency_key()
        if key is None or self.action is None or self.request.auth is None:
            return work()
        return idempotency.answer_once(
            api_key=self.api_key,
            request=self.request,
            key=key,
            atomic=self.action not in self.asks_provider,
            work=work,
        )

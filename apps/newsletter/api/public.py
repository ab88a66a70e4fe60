"""The base of what pages may ask without a key: the public rule, and whose allowance it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny, BasePermission

from apps.brands.api.authentication import HoldsScope
from apps.brands.api.buckets import Bucket, client_caller, key_caller
from apps.brands.api.clients import client_address
from apps.brands.api.errors import ApiError
from apps.brands.api.views import StationViewSet
from apps.brands.models import Brand
from apps.mail.links import InvalidLinkError
from apps.newsletter.origins import known_origins

if TYPE_CHECKING:
    from rest_framework.request import Request

    from apps.brands.api.buckets import Caller

BRAND_HELP = "The brand's slug. Needed without an API key; with one it must be the key's brand."
TOKEN_LIMIT = 200
NO_SUCH_LINK = OpenApiResponse(
    {"$ref": "#/components/schemas/Error"},
    description="The token is not one of ours, was cut, or belongs to nobody any more.",
)


class OriginRefusedError(ApiError):
    status_code = status.HTTP_403_FORBIDDEN
    name = "origin_not_allowed"
    default_detail = (
        "Call from a page whose origin the brand's joining rules list, or with an API key."
    )


class UnknownLinkError(ApiError):
    status_code = status.HTTP_404_NOT_FOUND
    name = "unknown_link"
    default_detail = "The token is not one of ours, was cut, or belongs to nobody any more."


class HoldsScopeIfAny(HoldsScope):
    """Who comes with a key needs its scope; who comes without meets the view's own rule."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is None or super().has_permission(request, view)


class NewsletterViewSet(StationViewSet):
    """Answers pages of other origins too, as far as the brand's joining rules list them."""

    answers_origins = True

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if request.auth is not None:
            self.tell_origins(self.brand.pk)

    def tell_origins(self, brand_id: int) -> None:
        """Whose list of origins counts; read by `cors` when all is answered."""
        self.request._request.asked_brand_id = brand_id  # type: ignore[attr-defined]  # noqa: SLF001 - DRF's way to Django's


class PublicViewSet(NewsletterViewSet):
    """Called with a key of the brand, or by a page that the brand's joining rules list.

    The brand is named by its slug then. Calls without a key are counted per client address.
    """

    permission_classes: tuple[type[BasePermission], ...] = (AllowAny, HoldsScopeIfAny)
    bucket = Bucket.EMAIL
    queryset = Brand.objects.none()

    @property
    def client_address(self) -> str | None:
        return client_address(self.request._request)  # noqa: SLF001 - DRF's way to Django's

    def counted_as(self, request: Request) -> Caller | None:
        if request.auth is not None:
            return key_caller(request.auth.pk)
        return client_caller(client_address(request._request))  # noqa: SLF001 - as above

    def asked_brand(self, slug: str, *, needs_origin: bool = True) -> Brand:
        """The brand that is meant. Raises `OriginRefusedError` or `ValidationError`.

        An unknown brand and one that does not list the origin are told apart by nobody.
        """
        brand = self._key_brand(slug) or self._named_brand(slug, needs_origin=needs_origin)
        self.tell_origins(brand.pk)
        return brand

    def _key_brand(self, slug: str) -> Brand | None:
        if self.request.auth is None:
            return None
        if slug and slug != self.brand.slug:
            raise ValidationError({"brand": ["The key belongs to another brand."]})
        return self.brand

    def _named_brand(self, slug: str, *, needs_origin: bool) -> Brand:
        if not slug:
            raise ValidationError({"brand": ["Give the brand's slug, or an API key."]})
        brand = Brand.objects.filter(slug=slug).first()
        origin = self.request.headers.get("Origin", "")
        if brand is None or (
            (origin or needs_origin) and not known_origins.allows(origin, brand_id=brand.pk)
        ):
            raise OriginRefusedError
        return brand


class LinkViewSet(PublicViewSet):
    """Called by who holds a signed link: the token is all the right that it takes."""

    scopes: ClassVar = {}
    permission_classes = (AllowAny,)
    authentication_classes = ()
    bucket = Bucket.PUBLIC
    problems: ClassVar = {InvalidLinkError: lambda _: UnknownLinkError()}

    def given_token(self) -> str:
        """Of the query. Raises `ValidationError`."""
        token = self.request.query_params.get("token", "")
        if not token or len(token) > TOKEN_LIMIT:
            raise ValidationError({"token": [f"Give the link's token (1 to {TOKEN_LIMIT} signs)."]})
        return token


def token_field() -> serializers.CharField:
    return serializers.CharField(
        max_length=TOKEN_LIMIT, help_text="The last part of the link in the mail."
    )


def brand_field() -> serializers.SlugField:
    return serializers.SlugField(
        max_length=40, required=False, default="", allow_blank=True, help_text=BRAND_HELP
    )

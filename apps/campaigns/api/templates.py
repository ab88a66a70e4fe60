"""Templates: what mails are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import transaction
from django.db.models import ProtectedError
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.filters import CharFilter, FilterSet
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.campaigns import drafting
from apps.campaigns.api.problems import PROBLEMS
from apps.campaigns.api.serializers import (
    TemplateChangeSerializer,
    TemplateCreateSerializer,
    TemplateSerializer,
)
from apps.mail.models import Template

if TYPE_CHECKING:
    from rest_framework.request import Request


class TemplateFilter(FilterSet):
    slug = CharFilter()


class TemplateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """Subjects and texts in Liquid. Launched campaigns keep their own copy."""

    scopes: ClassVar = {
        "list": Scope.TEMPLATES_READ,
        "retrieve": Scope.TEMPLATES_READ,
        "create": Scope.TEMPLATES_WRITE,
        "partial_update": Scope.TEMPLATES_WRITE,
        "destroy": Scope.TEMPLATES_WRITE,
    }
    problems: ClassVar = PROBLEMS
    queryset = Template.objects.all()
    serializer_class = TemplateSerializer
    filterset_class = TemplateFilter

    @extend_schema(request=TemplateCreateSerializer, responses={201: TemplateSerializer})
    def create(self, _request: Request) -> Response:
        """Add a template."""
        data = {"text": "", **self.read_body(TemplateCreateSerializer)}
        if self.get_queryset().filter(slug=data["slug"]).exists():
            raise ConflictError(f"The brand has a template {data['slug']} already.")
        return Response(self._written(data), status=status.HTTP_201_CREATED)

    @extend_schema(request=TemplateChangeSerializer, responses=TemplateSerializer)
    def partial_update(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Change a template, and with it all drafts that use it."""
        template = self.get_object()
        present = {name: getattr(template, name) for name in ("slug", "subject", "html", "text")}
        return Response(self._written({**present, **self.read_body(TemplateChangeSerializer)}))

    def destroy(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Delete a template that no campaign uses."""
        template = self.get_object()
        try:
            with transaction.atomic():
                template.delete()
        except ProtectedError as error:
            raise ConflictError("Campaigns use this template: it stays.") from error
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _written(self, data: dict[str, Any]) -> dict[str, Any]:
        template = drafting.write_template(brand=self.brand, actor=self.actor, **data)
        return dict(TemplateSerializer(template).data)

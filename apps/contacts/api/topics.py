"""Topics: what the brand writes about."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import IntegrityError, transaction
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.contacts.api.serializers import (
    TopicChangeSerializer,
    TopicCreateSerializer,
    TopicSerializer,
)
from apps.contacts.models import Topic

if TYPE_CHECKING:
    from rest_framework.request import Request


class TopicViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """What the brand writes about, and people can want or leave."""

    scopes: ClassVar = {
        "list": Scope.TOPICS_READ,
        "retrieve": Scope.TOPICS_READ,
        "create": Scope.TOPICS_WRITE,
        "partial_update": Scope.TOPICS_WRITE,
    }
    queryset = Topic.objects.all()
    serializer_class = TopicSerializer

    @extend_schema(request=TopicCreateSerializer, responses={201: TopicSerializer})
    def create(self, _request: Request) -> Response:
        """Add a topic."""
        topic = Topic(brand=self.brand, **self.read_body(TopicCreateSerializer))
        try:
            with transaction.atomic():
                topic.save(force_insert=True)
        except IntegrityError as error:
            raise ConflictError(f"The brand has a topic {topic.slug} already.") from error
        topic.refresh_from_db()
        return Response(TopicSerializer(topic).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=TopicChangeSerializer, responses=TopicSerializer)
    def partial_update(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Change a topic; its slug stays, for audiences name it."""
        topic = self.get_object()
        changes = self.read_body(TopicChangeSerializer)
        for name, value in changes.items():
            setattr(topic, name, value)
        topic.save(update_fields=list(changes))
        return Response(TopicSerializer(topic).data)

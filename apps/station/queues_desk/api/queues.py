"""How the queues stand, and working them off by request."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.views import StationViewSet
from apps.brands.models import Brand, Scope
from apps.queues.errors import UnknownQueueError
from apps.queues.flags import Flag, is_on
from apps.queues.health.reading import read_health
from apps.station.queues_desk.api.serializers import (
    HealthSerializer,
    WorkedSerializer,
    WorkSerializer,
)
from apps.station.queues_desk.telling import tell_health
from apps.station.queues_desk.working import work_queues

if TYPE_CHECKING:
    from rest_framework.request import Request


class QueueHealthView(StationViewSet):
    """The queues of the whole installation: figures, nothing of anybody's."""

    scopes: ClassVar = {"retrieve": Scope.QUEUES_READ}
    queryset = Brand.objects.none()
    serializer_class = HealthSerializer

    @extend_schema(operation_id="queues_health", summary="How every queue stands")
    def retrieve(self, _request: Request) -> Response:
        """A figure whose source failed is `unknown`, never 0.

        `warnings` tell which; the queue is worked all the same. Always 200: ask `/readyz` whether
        the station can work at all.
        """
        return Response(tell_health(read_health()))


class ProcessQueuesView(StationViewSet):
    """Work that is due, done now, without the broker."""

    scopes: ClassVar = {"create": Scope.QUEUES_WRITE}
    problems: ClassVar = {
        UnknownQueueError: lambda error: ValidationError({"queues": [str(error)]}),
    }
    # Threads of their own do the work, each with its transactions; some of them call providers.
    asks_provider: ClassVar = frozenset({"create"})
    queryset = Brand.objects.none()
    serializer_class = WorkSerializer

    @extend_schema(
        operation_id="process_queues",
        request=WorkSerializer,
        responses=WorkedSerializer,
        summary="Work queues off",
    )
    def create(self, _request: Request) -> Response:
        """Each queue in a thread of its own, up to `limit` turns, until the deadline.

        What is still under way then ends by itself; nothing is lost or done twice.
        """
        if not is_on(Flag.PROCESS_QUEUES):
            raise ConflictError("Working queues by request is switched off (flag process-queues).")
        asked = self.read_body(WorkSerializer)
        started = time.monotonic()
        results = work_queues(
            names=asked.get("queues", ()),
            limit=asked["limit"],
            deadline_seconds=asked["deadline_seconds"],
        )
        return Response(
            {
                "object": "processed_queues",
                "duration_ms": round((time.monotonic() - started) * 1000),
                "queues": [asdict(one) for one in results],
            }
        )

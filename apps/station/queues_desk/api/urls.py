from django.urls import path

from apps.brands.api.routing import StationRouter
from apps.station.queues_desk.api.letters import BulkRedriveViewSet, DeadLetterViewSet
from apps.station.queues_desk.api.queues import ProcessQueuesView, QueueHealthView

router = StationRouter()
router.register("queues/dead-letters", DeadLetterViewSet, basename="api-dead-letter")
router.register("queues/bulk-redrives", BulkRedriveViewSet, basename="api-bulk-redrive")

urlpatterns = [
    path("queues/health", QueueHealthView.as_view({"get": "retrieve"}), name="api-queues-health"),
    path(
        "process-queues",
        ProcessQueuesView.as_view({"post": "create"}),
        name="api-process-queues",
    ),
    *router.urls,
]

from apps.brands.api.routing import StationRouter
from apps.station.outgoing.api.deliveries import WebhookDeliveryViewSet
from apps.station.outgoing.api.endpoints import WebhookEndpointViewSet

router = StationRouter()
router.register("webhook-endpoints", WebhookEndpointViewSet, basename="api-webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, basename="api-webhook-delivery")

urlpatterns = router.urls

from apps.brands.api.routing import StationRouter
from apps.sms.api.events import TextEventViewSet
from apps.sms.api.subscribers import SubscriberViewSet

router = StationRouter()
router.register("subscribers", SubscriberViewSet, basename="api-subscriber")
router.register("sms/events", TextEventViewSet, basename="api-text-event")

urlpatterns = router.urls

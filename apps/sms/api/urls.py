from apps.brands.api.routing import StationRouter
from apps.sms.api.subscribers import SubscriberViewSet

router = StationRouter()
router.register("subscribers", SubscriberViewSet, basename="api-subscriber")

urlpatterns = router.urls

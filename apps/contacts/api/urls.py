from apps.brands.api.routing import StationRouter
from apps.contacts.api.contacts import ContactViewSet
from apps.contacts.api.suppressions import SuppressionViewSet
from apps.contacts.api.topics import TopicViewSet

router = StationRouter()
router.register("contacts", ContactViewSet, basename="api-contact")
router.register("topics", TopicViewSet, basename="api-topic")
router.register("suppressions", SuppressionViewSet, basename="api-suppression")

urlpatterns = router.urls

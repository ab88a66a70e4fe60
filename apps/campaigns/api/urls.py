from apps.brands.api.routing import StationRouter
from apps.campaigns.api.campaigns import CampaignViewSet
from apps.campaigns.api.templates import TemplateViewSet

router = StationRouter()
router.register("templates", TemplateViewSet, basename="api-template")
router.register("campaigns", CampaignViewSet, basename="api-campaign")

urlpatterns = router.urls

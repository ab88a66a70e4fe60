"""Paths below /api/ that belong to no other room: documentation, the brand, its senders."""

from django.urls import path

from apps.brands.api import documents
from apps.brands.api.resources import BrandView, SenderViewSet
from apps.brands.api.routing import StationRouter

router = StationRouter()
router.register("senders", SenderViewSet, basename="api-sender")

urlpatterns = [
    path("schema", documents.document_view, name="api-schema"),
    path("docs", documents.reading_view, name="api-docs"),
    path("brand", BrandView.as_view({"get": "retrieve"}), name="api-brand"),
    *router.urls,
]

"""Every address of the station; each room keeps its own list."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("apps.station.urls")),
    path("", include("apps.mail.urls")),
    path("", include("apps.newsletter.urls")),
]

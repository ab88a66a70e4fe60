"""Every address of the station; each room keeps its own list."""

from django.contrib import admin
from django.urls import include, path, re_path

from apps.brands.api import answering

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("apps.brands.api.urls")),
    path("api/", include("apps.station.outgoing.api.urls")),
    path("api/", include("apps.station.queues_desk.api.urls")),
    path("api/", include("apps.contacts.api.urls")),
    path("api/", include("apps.campaigns.api.urls")),
    path("api/", include("apps.newsletter.api.urls")),
    path("api/", include("apps.sms.api.urls")),
    path("", include("apps.newsletter.urls")),
    re_path(r"^api(/|$)", answering.not_found),
    path("", include("apps.station.urls")),
    path("", include("apps.mail.urls")),
    path("", include("apps.sms.urls")),
]

handler400 = answering.bad_request
handler404 = answering.page_not_found
handler500 = answering.server_error

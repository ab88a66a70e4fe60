"""Pages behind the links in mails, each also below /api/email/.

Both forms: a redirect to the one with the slash would turn a POST into a GET. Below /api/ the slash
is taken off before paths are looked up.
"""

from django.urls import path

from apps.newsletter import views

urlpatterns = [
    path("unsubscribe/<str:token>", views.unsubscribe),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("confirm/<str:token>", views.confirm),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("preferences/<str:token>", views.preferences),
    path("preferences/<str:token>/", views.preferences, name="preferences"),
    path("api/email/unsubscribe/<str:token>", views.unsubscribe),
    path("api/email/confirm/<str:token>", views.confirm),
    path("api/email/preferences/<str:token>", views.preferences),
]

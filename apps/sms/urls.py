from django.urls import path

from apps.sms import views

# Webhooks in both forms: a redirect to the one with the slash would lose the body of a POST.
urlpatterns = [
    path("t/<str:code>", views.follow_link, name="text-link"),
    path("hooks/sms-events/<str:token>", views.receive_events, name="text-events-webhook"),
    path("hooks/sms-events/<str:token>/", views.receive_events),
    path("hooks/lime/<str:token>", views.receive_callback, name="lime-callback"),
    path("hooks/lime/<str:token>/", views.receive_callback),
]

from django.urls import path

from apps.mail import webhooks

# Both forms: a redirect to the one with the slash would lose the body of a POST.
urlpatterns = [
    path("webhooks/resend/<str:token>", webhooks.receive_resend),
    path("webhooks/resend/<str:token>/", webhooks.receive_resend, name="resend-webhook"),
]

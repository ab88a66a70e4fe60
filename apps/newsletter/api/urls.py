"""Paths below /api/ that belong to the newsletter."""

from django.urls import path

from apps.newsletter.api.joining import (
    ConfirmView,
    PreferencesView,
    SubscribeView,
    UnsubscribeView,
)

LOOK_AND_DO = {"get": "retrieve", "post": "create"}
DO = {"post": "create"}

urlpatterns = [
    path("email/subscribe", SubscribeView.as_view(DO), name="api-subscribe"),
    path("email/confirm", ConfirmView.as_view(LOOK_AND_DO), name="api-confirm"),
    path("email/preferences", PreferencesView.as_view(LOOK_AND_DO), name="api-preferences"),
    path("email/unsubscribe", UnsubscribeView.as_view(DO), name="api-unsubscribe"),
]

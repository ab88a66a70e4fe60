"""Paths below /api/ that belong to the newsletter."""

from typing import Any

from django.urls import path

from apps.newsletter.api.contact_form import ContactFormView
from apps.newsletter.api.counting import CountView
from apps.newsletter.api.joining import (
    ConfirmView,
    PreferencesView,
    SubscribeView,
    UnsubscribeView,
)
from apps.newsletter.api.pulse import PulseView
from apps.newsletter.api.running import DigestView, SequenceView
from apps.newsletter.api.singles import JobLifecycleView, TransactionalView, WelcomeView

LOOK_AND_DO: dict[str, Any] = {"get": "retrieve", "post": "create"}
DO: dict[str, Any] = {"post": "create"}

urlpatterns = [
    path("email/subscribe", SubscribeView.as_view(DO), name="api-subscribe"),
    path("email/confirm", ConfirmView.as_view(LOOK_AND_DO), name="api-confirm"),
    path("email/preferences", PreferencesView.as_view(LOOK_AND_DO), name="api-preferences"),
    path("pulse", PulseView.as_view(DO), name="api-pulse"),
    path("email/unsubscribe", UnsubscribeView.as_view(DO), name="api-unsubscribe"),
    path("email/welcome", WelcomeView.as_view(DO), name="api-welcome"),
    path("email/transactional", TransactionalView.as_view(DO), name="api-transactional"),
    path("email/job-lifecycle", JobLifecycleView.as_view(DO), name="api-job-lifecycle"),
    path("email/digest", DigestView.as_view(DO), name="api-digest"),
    path("email/sequence", SequenceView.as_view(DO), name="api-sequence"),
    path("email/count", CountView.as_view({"get": "retrieve"}), name="api-count"),
    path("email/contact", ContactFormView.as_view(DO), name="api-contact-form"),
]

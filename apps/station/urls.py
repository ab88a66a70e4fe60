"""Addresses of the top room."""

from django.urls import path

from apps.station import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
]

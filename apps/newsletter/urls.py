from django.urls import path

from apps.newsletter import views

# Both forms: a redirect to the one with the slash would turn a POST into a GET.
urlpatterns = [
    path("unsubscribe/<str:token>", views.unsubscribe),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]

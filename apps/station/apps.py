from django.apps import AppConfig


class StationConfig(AppConfig):
    name = "apps.station"
    label = "station"
    verbose_name = "Station"

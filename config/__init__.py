"""Settings, the Celery application, URLs: the only place that reads the environment."""

# `shared_task` binds to the current application: it must exist wherever Django runs.
from config.celery import app as celery_app

__all__ = ["celery_app"]

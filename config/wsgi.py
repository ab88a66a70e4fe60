"""The web application, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()

from apps.mail.intake import Intake  # noqa: E402 - needs the settings and apps to be there
from config.garbage import set_apart_what_is_loaded  # noqa: E402 - as above

application = Intake(_django)
set_apart_what_is_loaded()

"""A brand."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now


def check_timezone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError("Not a time zone of the IANA list, such as Europe/Berlin.")


class Brand(models.Model):
    """Somebody in whose name mail and texts go out; contacts and rights belong to one brand."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    postal_address = models.TextField(
        blank=True, help_text="Shown in every commercial mail; none is launched without it."
    )
    website = models.URLField(blank=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_timezone])
    locale = models.CharField(max_length=16, default="en")
    transactional_after_complaint = models.BooleanField(
        default=True,
        help_text="Whether receipts and the like still go to people who complained of bulk mail.",
    )
    requires_approval = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether a second person must approve each campaign before it is launched.",
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name

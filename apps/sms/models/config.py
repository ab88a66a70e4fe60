"""What operators set: one row per brand over one global row, and the hours of states."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.brands.models import Brand, ProviderAccount
from apps.brands.models.brand import check_timezone
from apps.sms.models.subscriber import STATE_FORM

MOST_TEXTS_PER_CALL = 1000  # the provider ignores the rest of a longer call without a word


_BOUNDS = {
    "daily_limit": (0, 100),
    "gap_minutes": (0, 1440),
    "global_daily_cap": (0, 100_000_000),
    "engagement_days": (0, 3650),
    "verify_max_age_hours": (0, 8760),
    "run_limit": (1, 200_000),
    "chunk_size": (1, MOST_TEXTS_PER_CALL),
    "texts_per_call": (1, MOST_TEXTS_PER_CALL),
    "in_flight": (1, 5000),
    "spacing_ms": (0, 60_000),
    "requests_per_minute": (1, 1_000_000),
}


def _bounded(field: str) -> models.CheckConstraint:
    least, most = _BOUNDS[field]
    return models.CheckConstraint(
        name=f"text_config_{field}_bounds",
        condition=Q(**{f"{field}__isnull": True})
        | Q(**{f"{field}__gte": least, f"{field}__lte": most}),
    )


def _number(field: str, text: str) -> models.IntegerField[int | None, int | None]:
    least, most = _BOUNDS[field]
    return models.IntegerField(
        null=True,
        blank=True,
        help_text=text,
        validators=[MinValueValidator(least), MaxValueValidator(most)],
    )


class TextConfig(models.Model):
    """No brand: the global row. An empty field means: as the global row, and there: our default.

    Two fields are no plain inheritance. `sending` must be on in the global row and not be off in
    the brand's. `global_daily_cap` of the global row counts the texts of all brands together, that
    of a brand its own. Read it by `apps.sms.config.effective`, never by itself.
    """

    class Transport(models.TextChoices):
        SINGLE = "single", "one request per text"
        BULK = "bulk", "many texts per request"

    brand = models.OneToOneField(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="text_config"
    )
    sending = models.BooleanField(null=True, blank=True, help_text="Off: no new text is begun.")
    dry_run = models.BooleanField(
        null=True, blank=True, help_text="On: texts are chosen and counted, none is sent."
    )
    account = models.ForeignKey(
        ProviderAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    shortcode = models.CharField(max_length=20, blank=True, db_default="")
    daily_limit = _number("daily_limit", "Texts per person and day, of all brands together.")
    gap_minutes = _number("gap_minutes", "Least time between two texts to a person.")
    global_daily_cap = _number("global_daily_cap", "Texts per day; empty: no cap.")
    engagement_days = _number(
        "engagement_days", "Who joined or did anything so many days ago at most; 0: everybody."
    )
    verify_max_age_hours = _number(
        "verify_max_age_hours", "A list sync must have seen the opt-in so lately; 0: need not."
    )
    check_per_number = models.BooleanField(
        null=True, blank=True, help_text="Ask the provider about each number: doubles the calls."
    )
    hours_from = models.TimeField(null=True, blank=True, help_text="The person's local time.")
    hours_until = models.TimeField(null=True, blank=True, help_text="The last moment excluded.")
    default_zone = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        validators=[check_timezone],
        help_text="Where a number tells no zone; given once, when the number is added.",
    )
    eastern_western_intersection = models.BooleanField(
        null=True,
        blank=True,
        help_text="Where a number tells no zone: only hours allowed in New York and Los Angeles.",
    )
    run_limit = _number("run_limit", "Texts chosen in one minute at most.")
    chunk_size = _number("chunk_size", "Texts that a worker takes at once.")
    transport = models.CharField(max_length=6, choices=Transport, blank=True, db_default="")
    texts_per_call = _number("texts_per_call", "For the bulk transport.")
    in_flight = _number("in_flight", "Requests open at once, of all workers of the account.")
    spacing_ms = _number("spacing_ms", "Between two requests of the account.")
    requests_per_minute = _number("requests_per_minute", "Of the account.")

    class Meta:
        constraints = [
            # OneToOne lets any number of rows have no brand.
            models.UniqueConstraint(
                name="text_config_once_per_brand", fields=["brand"], nulls_distinct=False
            ),
            models.CheckConstraint(
                name="text_config_transport_known",
                condition=Q(transport__in=["", "single", "bulk"]),
            ),
            models.CheckConstraint(
                name="text_config_hours_in_order",
                condition=Q(hours_from__isnull=True)
                | Q(hours_until__isnull=True)
                | Q(hours_from__lt=F("hours_until")),
            ),
            *(_bounded(field) for field in _BOUNDS),
        ]

    def __str__(self) -> str:
        return str(self.brand) if self.brand else "all brands"


class StateHours(models.Model):
    """The law of one US state, narrower than anybody's settings. Empty hours: the settings'.

    The row with an empty `state` holds for people whose state is not known. States without a row
    have no law of their own.
    """

    state = models.CharField(max_length=2, unique=True, blank=True, db_collation="C")
    hours_from = models.TimeField(null=True, blank=True)
    hours_until = models.TimeField(null=True, blank=True)
    max_per_24h = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Texts of all brands to one person; empty: no rule."
    )

    class Meta:
        verbose_name_plural = "state hours"
        constraints = [
            models.CheckConstraint(
                name="state_hours_state_form", condition=Q(state="") | Q(state__regex=STATE_FORM)
            ),
            models.CheckConstraint(
                name="state_hours_in_order",
                condition=Q(hours_from__isnull=True, hours_until__isnull=True)
                | Q(hours_from__lt=F("hours_until")),
            ),
        ]

    def __str__(self) -> str:
        return self.state or "state not known"

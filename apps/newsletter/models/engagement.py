"""What people do, what it is worth, and in which tier that puts them.

Keys, partitions and retention, and how a score is made, are decided in docs/adr/0019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.contacts.models.contact import TIER_LIMIT
from apps.newsletter.models.segments import PROVIDER_ID_LIMIT, check_provider_id

if TYPE_CHECKING:
    from collections.abc import Collection

HIGHEST_SCORE = 1_000
MOST_POINTS = 1_000
KIND_LIMIT = 40
KIND_PATTERN = rf"^[a-z][a-z0-9_]{{0,{KIND_LIMIT - 1}}}$"
SUBJECT_LIMIT = 200
EVENT_ID_LIMIT = 64
LONGEST_WINDOW_DAYS = 400

# What the station itself knows; everything else is the kind of an interaction.
OWN_SIGNALS = ("opened", "clicked", "complained", "joined")

check_kind = RegexValidator(
    KIND_PATTERN,
    f"Expected a name like visited: 1 to {KIND_LIMIT} of a-z, 0-9 and _, a letter first.",
)


class TierQuerySet(models.QuerySet["Tier"]):
    def of_brands(self, brand_ids: Collection[int]) -> TierQuerySet:
        return self.filter(brand_id__in=brand_ids)


class Tier(models.Model):
    """Everybody of the brand with at least `min_score` who reaches no higher tier.

    `segment_id` is the provider's segment of these people; empty for none.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="tiers", db_index=False)
    slug = models.SlugField(max_length=TIER_LIMIT)
    name = models.CharField(max_length=80)
    min_score = models.PositiveSmallIntegerField(
        validators=[MaxValueValidator(HIGHEST_SCORE)],
        help_text=f"From 0 to {HIGHEST_SCORE}. A tier from 0 takes everybody whom no other does.",
    )
    segment_id = models.CharField(
        "provider's segment",
        max_length=PROVIDER_ID_LIMIT,
        blank=True,
        db_default="",
        validators=[check_provider_id],
    )

    objects = TierQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="tier_once_per_brand", fields=["brand", "slug"]),
            models.UniqueConstraint(name="tier_once_per_score", fields=["brand", "min_score"]),
            models.CheckConstraint(
                name="tier_score_in_bounds", condition=Q(min_score__lte=HIGHEST_SCORE)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (from {self.min_score})"


class ScoreRule(models.Model):
    """What one kind of thing that people do is worth.

    Each counts `points` while it is younger than `window_days`; with `half_life_days` it loses half
    of its worth in that time, again and again. All of a kind together count `most_points` at most.
    """

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="score_rules", db_index=False
    )
    signal = models.CharField(
        max_length=KIND_LIMIT,
        validators=[check_kind],
        help_text=f"{', '.join(OWN_SIGNALS)}, or a kind of interaction: visited, replied …",
    )
    points = models.SmallIntegerField(
        validators=[MinValueValidator(-MOST_POINTS), MaxValueValidator(MOST_POINTS)],
        help_text="For each time; below 0 it lowers the score.",
    )
    window_days = models.PositiveSmallIntegerField(
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WINDOW_DAYS)],
        help_text="What is older counts nothing.",
    )
    half_life_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WINDOW_DAYS)],
        help_text="In so many days it loses half of its worth. Empty: it keeps its worth until "
        "the window ends, and scores change less often.",
    )
    most_points = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(HIGHEST_SCORE)],
        help_text="However often it happens, no more (or, below 0, no less) than so many points.",
    )
    enabled = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="score_rule_once", fields=["brand", "signal"]),
            models.CheckConstraint(
                name="score_rule_in_bounds",
                condition=Q(
                    points__gte=-MOST_POINTS,
                    points__lte=MOST_POINTS,
                    window_days__gte=1,
                    window_days__lte=LONGEST_WINDOW_DAYS,
                ),
            ),
            models.CheckConstraint(
                name="score_rule_half_life_in_bounds",
                condition=Q(half_life_days__isnull=True)
                | Q(half_life_days__gte=1, half_life_days__lte=LONGEST_WINDOW_DAYS),
            ),
        ]

    def __str__(self) -> str:
        return self.signal


class ScoreChange(models.Model):
    """That a contact's score or tier changed, and what it was made of then. Only ever added.

    `why` has, by signal, how often it happened and its points. Partitioned by `month`, that of the
    change.
    """

    class Cause(models.TextChoices):
        EVENT = "event", "something happened"
        NIGHTLY = "nightly", "counted anew at night"
        COMMAND = "command", "counted anew by hand"
        JOINED = "joined", "joined"

    month = models.DateField()
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    contact_id = models.BigIntegerField()
    old_score = models.SmallIntegerField()
    new_score = models.SmallIntegerField()
    old_tier = models.CharField(max_length=TIER_LIMIT, blank=True)
    new_tier = models.CharField(max_length=TIER_LIMIT, blank=True)
    cause = models.CharField(max_length=10, choices=Cause)
    why = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "newsletter_scorechange"

    def __str__(self) -> str:
        return f"contact {self.contact_id}: {self.old_score} to {self.new_score}"


class Interaction(models.Model):
    """Something that somebody did elsewhere, as another system told it (`pulse`).

    `event_id` is the teller's, once per brand and month of `occurred_at`. `contact_id` is null
    where nobody is known by what was told. Partitioned by `month`, that of `occurred_at`.
    """

    month = models.DateField()
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    contact_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=KIND_LIMIT)
    subject = models.CharField(max_length=SUBJECT_LIMIT, blank=True)
    event_id = models.CharField(max_length=EVENT_ID_LIMIT)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "newsletter_interaction"

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class PulseCall(models.Model):
    """The interactions of one call, raw, until they are in the table; gone then.

    queued → working → gone, or dead after too many attempts. `due_at` is when it may be claimed:
    the time of its next try, or the end of the lease of whoever holds it. `content` is what came,
    as compressed JSON. `rows` says how many interactions it has.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waits"
        WORKING = "working", "is being stored"
        DEAD = "dead", "given up"

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(
        max_length=10, choices=State, default=State.QUEUED, db_default="queued"
    )
    rows = models.PositiveIntegerField()
    content = models.BinaryField()
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    last_error = models.CharField(max_length=300, blank=True, db_default="")
    correlation_id = models.CharField(max_length=64, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="pulse_call_state_known", condition=Q(state__in=("queued", "working", "dead"))
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                include=["rows"],
                name="pulse_call_open",
                condition=~Q(state="dead"),
            ),
        ]

    def __str__(self) -> str:
        return f"pulse {self.pk}: {self.rows} interactions"


class EngagementCursor(models.Model):
    """How far one table was read for people whose score may have changed."""

    source = models.CharField(max_length=40, primary_key=True)
    position = models.BigIntegerField()
    moved_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.source} up to {self.position}"


class Recomputation(models.Model):
    """Counting everybody of a brand anew, page by page; `cursor` is the last contact done."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="+")
    cause = models.CharField(max_length=10, choices=ScoreChange.Cause)
    cursor = models.BigIntegerField(db_default=0)
    until = models.BigIntegerField()
    contacts = models.PositiveIntegerField(db_default=0)
    changed = models.PositiveIntegerField(db_default=0)
    moved = models.PositiveIntegerField(db_default=0, help_text="Into another tier")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="recomputation_one_at_a_time",
                fields=["brand"],
                condition=Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"recomputation {self.pk} of brand {self.brand_id}"

"""Weekly digests: what they are made of, and the issue of each week."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand, Sender
from apps.brands.models.brand import check_timezone
from apps.contacts.models import Topic
from apps.mail.models import Mailing, Template
from apps.newsletter.digests.addresses import check_url

TITLE_LIMIT = 300
URL_LIMIT = 1000
SUMMARY_LIMIT = 1000
MOST_ITEMS = 50


class Weekday(models.IntegerChoices):
    MONDAY = 1, "Monday"
    TUESDAY = 2, "Tuesday"
    WEDNESDAY = 3, "Wednesday"
    THURSDAY = 4, "Thursday"
    FRIDAY = 5, "Friday"
    SATURDAY = 6, "Saturday"
    SUNDAY = 7, "Sunday"


class DigestQuerySet(models.QuerySet["Digest"]):
    def active(self) -> DigestQuerySet:
        return self.filter(active_since__isnull=False)


class Digest(models.Model):
    """What a brand sends each week, at its weekday and hour in `timezone` (empty: the brand's).

    It is active from `active_since` on; a week whose time had passed by then gets no issue. With
    `readers`, only those opted in to one of these topics get it, else everybody subscribed.
    """

    class EmptyRule(models.TextChoices):
        SKIP = "skip", "send nothing"
        FALLBACK = "fallback", "send the fallback set"

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="digests", db_index=False
    )
    slug = models.SlugField(max_length=60, help_text="Its name for programs; API calls give it.")
    name = models.CharField(max_length=150, help_text="Templates see it as campaign.name.")
    weekday = models.PositiveSmallIntegerField(choices=Weekday, default=Weekday.THURSDAY)
    hour = models.PositiveSmallIntegerField(
        default=9, validators=[MaxValueValidator(23)], help_text="0 to 23, local time."
    )
    timezone = models.CharField(
        "time zone",
        max_length=64,
        blank=True,
        validators=[check_timezone],
        help_text="Such as Europe/Berlin. Empty: the brand's.",
    )
    late_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(96)],
        help_text="How late an issue may still start where the station was down at its hour.",
    )
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="+")
    template = models.ForeignKey(
        Template,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Reads the articles as variables.items: title, url, summary, image_url, source.",
    )
    readers = models.ManyToManyField(
        Topic,
        blank=True,
        related_name="+",
        help_text="Who opted in to one of these. None chosen: everybody who is subscribed.",
    )
    most_items = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_ITEMS)],
        help_text=f"Articles in an issue, 1 to {MOST_ITEMS}.",
    )
    least_items = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_ITEMS)],
        help_text="With fewer the week counts as empty.",
    )
    empty_rule = models.CharField(
        "in an empty week", max_length=8, choices=EmptyRule, default=EmptyRule.SKIP
    )
    active_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    objects = DigestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="digest_slug_once_per_brand", fields=["brand", "slug"]),
            models.CheckConstraint(
                name="digest_time_in_bounds",
                condition=Q(weekday__gte=1, weekday__lte=7, hour__gte=0, hour__lte=23),
            ),
            models.CheckConstraint(
                name="digest_items_in_bounds",
                condition=Q(
                    least_items__gte=1,
                    most_items__gte=models.F("least_items"),
                    most_items__lte=MOST_ITEMS,
                ),
            ),
            models.CheckConstraint(
                name="digest_late_hours_in_bounds",
                condition=Q(late_hours__gte=1, late_hours__lte=96),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> str:
        return self.timezone or self.brand.timezone

    @property
    def is_active(self) -> bool:
        return self.active_since is not None


class DigestSource(models.Model):
    """Where articles come from. `items` is what was read when it last worked."""

    class Kind(models.TextChoices):
        FEED = "feed", "RSS or Atom"
        JSON = "json", "JSON"

    digest = models.ForeignKey(Digest, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=4, choices=Kind, default=Kind.FEED)
    url = models.CharField(
        "address",
        max_length=URL_LIMIT,
        validators=[check_url],
        help_text="https://… It is read as it is: redirects are not followed.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="The lowest comes first.")
    most_items = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(MOST_ITEMS)]
    )
    newest_days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="Articles older than that are left out; those without a date are not.",
    )
    items = models.JSONField(default=list, blank=True, editable=False)
    read_at = models.DateTimeField(null=True, blank=True, editable=False)
    failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(name="digest_source_once", fields=["digest", "url"]),
            models.CheckConstraint(
                name="digest_source_failed_with_error",
                condition=Q(failed_at__isnull=True) | ~Q(last_error=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DigestItem(models.Model):
    """An article that the brand posts itself: in the next issue, or in the fallback set.

    `issue` is the one that it went out in; one of the fallback set goes out again and again.
    """

    digest = models.ForeignKey(
        Digest, on_delete=models.CASCADE, related_name="own_items", db_index=False
    )
    title = models.CharField(max_length=TITLE_LIMIT)
    url = models.URLField("address", max_length=URL_LIMIT)
    summary = models.TextField(max_length=SUMMARY_LIMIT, blank=True)
    image_url = models.URLField("image", max_length=URL_LIMIT, blank=True)
    is_fallback = models.BooleanField(
        "fallback set", default=False, help_text="For empty weeks and failed sources."
    )
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Not in an issue before this time."
    )
    position = models.PositiveSmallIntegerField(default=0)
    issue = models.ForeignKey(
        "newsletter.DigestIssue",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="own_items",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                name="digest_item_of_fallback_is_not_used_up",
                condition=Q(is_fallback=False) | Q(issue__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["digest", "is_fallback", "issue"], name="digest_item_waiting")
        ]

    def __str__(self) -> str:
        return self.title


class DigestIssueQuerySet(models.QuerySet["DigestIssue"]):
    def composing(self) -> DigestIssueQuerySet:
        return self.filter(state=DigestIssue.State.COMPOSING)


class DigestIssue(models.Model):
    """The issue of one digest and one ISO week, of which there is never a second.

    composing → out, skipped or missed. The mailing is made in the transaction that says `out`.
    `items` is what it shows; `marks` say by source what was used in its place, and why.
    """

    class State(models.TextChoices):
        COMPOSING = "composing", "being put together"
        OUT = "out", "out"
        SKIPPED = "skipped", "skipped"
        MISSED = "missed", "missed"

    digest = models.ForeignKey(
        Digest, on_delete=models.PROTECT, related_name="issues", db_index=False
    )
    year = models.PositiveSmallIntegerField(help_text="Of the ISO week.")
    week = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.COMPOSING)
    reason = models.CharField(max_length=200, blank=True)
    items = models.JSONField(default=list)
    marks = models.JSONField(default=list)
    is_fallback = models.BooleanField(default=False, help_text="Made of the fallback set.")
    mailing = models.OneToOneField(
        Mailing, on_delete=models.PROTECT, null=True, related_name="digest_issue"
    )
    started_by = models.CharField(max_length=150)
    slot_at = models.DateTimeField(help_text="When it was due.")
    started_at = models.DateTimeField(db_default=Now())
    tried_at = models.DateTimeField(null=True, help_text="When composing it was last refused.")
    ended_at = models.DateTimeField(null=True)
    correlation_id = models.CharField(max_length=64, blank=True)

    objects = DigestIssueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="digest_issue_once_per_week", fields=["digest", "year", "week"]
            ),
            models.CheckConstraint(
                name="digest_issue_week_exists", condition=Q(week__gte=1, week__lte=53)
            ),
            models.CheckConstraint(
                name="digest_issue_out_with_mailing",
                condition=Q(state="out", mailing__isnull=False)
                | ~Q(state="out") & Q(mailing__isnull=True),
            ),
            models.CheckConstraint(
                name="digest_issue_ended_at_when_over",
                condition=Q(state="composing", ended_at__isnull=True)
                | Q(state__in=("out", "skipped", "missed"), ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="digest_issue_reason_when_not_out",
                condition=~Q(state__in=("skipped", "missed")) | ~Q(reason=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], name="digest_issue_composing", condition=Q(state="composing")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.digest} {self.label}"

    @property
    def label(self) -> str:
        """`2026-W48`."""
        return f"{self.year}-W{self.week:02}"


class SourceReading(models.Model):
    """What one source gave for one issue. waiting → good or failed, once its tries are spent.

    `due_at` is when it may be tried (next); `attempts` counts tries and is the fence of each.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        GOOD = "good", "read"
        FAILED = "failed", "failed"

    issue = models.ForeignKey(DigestIssue, on_delete=models.CASCADE, related_name="readings")
    source = models.ForeignKey(DigestSource, on_delete=models.CASCADE, related_name="readings")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    items = models.JSONField(default=list)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="source_reading_once", fields=["issue", "source"]),
            models.CheckConstraint(
                name="source_reading_failed_with_error",
                condition=~Q(state="failed") | ~Q(error=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.state}"

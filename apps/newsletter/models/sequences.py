"""Sequences, their versions and steps, and where each person stands.

Why a step is due once per contact, and what becomes of people when a new version is published, is
told in docs/adr/0024.
"""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand, Sender
from apps.contacts.models import Topic
from apps.mail.models import Content, Mailing, Template
from apps.newsletter.models.digests import Weekday
from apps.newsletter.models.engagement import KIND_LIMIT, SUBJECT_LIMIT, Tier, check_kind

MOST_STEPS = 50
# Somebody who enters again within a month would meet the month's mailing of a step twice.
LEAST_DAYS_BETWEEN = 32
REASON_LIMIT = 60


def check_weekdays(days: list[int]) -> None:
    if not days or sorted(set(days)) != sorted(days) or not set(days) <= set(Weekday.values):
        raise ValidationError("Choose weekdays from 1 (Monday) to 7 (Sunday), each once.")


def every_weekday() -> list[int]:
    return [int(day) for day in Weekday]


class SequenceQuerySet(models.QuerySet["Sequence"]):
    def active(self) -> SequenceQuerySet:
        return self.filter(state=Sequence.State.ACTIVE)


class Sequence(models.Model):
    """Mails that follow a person's own calendar. `current` is the version that people enter.

    From `enters_since` on: what made somebody meet the conditions must have happened after it,
    unless `takes_everybody` was chosen. Who unsubscribes, bounces or complains leaves it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        ACTIVE = "active", "active"
        PAUSED = "paused", "paused"
        ENDED = "ended", "ended"

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="sequences", db_index=False
    )
    slug = models.SlugField(max_length=60, help_text="Its name for programs.")
    name = models.CharField(max_length=150, help_text="Templates see it as campaign.name.")
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="+")
    readers = models.ManyToManyField(
        Topic,
        blank=True,
        related_name="+",
        help_text="Whom its mails may reach: opted in to one of these. None chosen: everybody who "
        "is subscribed.",
    )
    takes_everybody = models.BooleanField(
        default=False, help_text="Also take people who met the conditions before it was started."
    )
    again_after_days = models.PositiveSmallIntegerField(
        "may enter again after",
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST_DAYS_BETWEEN), MaxValueValidator(3650)],
        help_text=f"Days since the last mail or the end, {LEAST_DAYS_BETWEEN} at least. Empty: "
        "once and never again.",
    )
    state = models.CharField(
        max_length=6, choices=State, default=State.DRAFT, db_default="draft", editable=False
    )
    enters_since = models.DateTimeField(null=True, blank=True, editable=False)
    current = models.ForeignKey(
        "newsletter.SequenceVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = SequenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="sequence_slug_once_per_brand", fields=["brand", "slug"]),
            models.CheckConstraint(
                name="sequence_started_with_version",
                condition=Q(state="draft") | Q(current__isnull=False, enters_since__isnull=False),
            ),
            models.CheckConstraint(
                name="sequence_again_not_within_a_month",
                condition=Q(again_after_days__isnull=True)
                | Q(again_after_days__gte=LEAST_DAYS_BETWEEN),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SequenceVersion(models.Model):
    """The steps and conditions at one time: a draft until it is published, never changed after."""

    class OldPeople(models.TextChoices):
        FINISH = "finish", "finish the version they are in"
        MOVE = "move", "go on in the new version"

    sequence = models.ForeignKey(
        Sequence, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    published_by = models.CharField(max_length=150, blank=True, editable=False)
    old_people = models.CharField(max_length=6, choices=OldPeople, blank=True, editable=False)
    moved = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="sequence_version_once", fields=["sequence", "number"]),
            models.UniqueConstraint(
                name="sequence_one_draft",
                fields=["sequence"],
                condition=Q(published_at__isnull=True),
            ),
            models.CheckConstraint(
                name="sequence_version_published_by_somebody",
                condition=Q(published_at__isnull=True, published_by="")
                | Q(published_at__isnull=False) & ~Q(published_by=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}, version {self.number}"

    @property
    def is_draft(self) -> bool:
        return self.published_at is None


class SequenceStep(models.Model):
    """One mail: so long after the step before it (the first: after entering), within its hours.

    `key` stays the same from version to version: a person gets a step once, in whatever version.
    `content` is the template as it was when the version was published.
    """

    class Unit(models.TextChoices):
        MINUTES = "minutes", "minutes"
        HOURS = "hours", "hours"
        DAYS = "days", "days"

    version = models.ForeignKey(
        SequenceVersion, on_delete=models.CASCADE, related_name="steps", db_index=False
    )
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    position = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MOST_STEPS)]
    )
    name = models.CharField(max_length=100)
    wait = models.PositiveSmallIntegerField(
        default=1, validators=[MaxValueValidator(1000)], help_text="After the step before."
    )
    wait_unit = models.CharField(max_length=7, choices=Unit, default=Unit.DAYS)
    hour_from = models.PositiveSmallIntegerField(
        "from hour", default=0, validators=[MaxValueValidator(23)]
    )
    hour_until = models.PositiveSmallIntegerField(
        "until hour", default=24, validators=[MinValueValidator(1), MaxValueValidator(24)]
    )
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), default=every_weekday, validators=[check_weekdays]
    )
    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="+")
    content = models.ForeignKey(
        Content, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                name="sequence_step_position_once",
                fields=["version", "position"],
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(name="sequence_step_key_once", fields=["version", "key"]),
            models.CheckConstraint(
                name="sequence_step_hours_in_order",
                condition=Q(hour_from__lt=models.F("hour_until"), hour_until__lte=24),
            ),
            models.CheckConstraint(
                name="sequence_step_position_in_bounds",
                condition=Q(position__gte=1, position__lte=MOST_STEPS),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"


class SequenceRule(models.Model):
    """One condition. To enter, all must hold; any that ends it ends it.

    An exit with `before_step` is looked at before that step only. Opens count for nothing, and
    clicks of machines are none.
    """

    class Purpose(models.TextChoices):
        ENTRY = "entry", "to enter"
        EXIT = "exit", "leave when"
        GOAL = "goal", "goal"

    class Kind(models.TextChoices):
        TOPIC_IN = "topic_in", "opted in to the topic"
        TOPIC_OUT = "topic_out", "not opted in to the topic"
        TIER_IS = "tier_is", "is in the tier"
        TIER_IS_NOT = "tier_not", "is not in the tier"
        EVENT = "event", "did (an interaction of this kind)"
        CLICK = "click", "clicked in a mail of this sequence"

    version = models.ForeignKey(
        SequenceVersion, on_delete=models.CASCADE, related_name="rules", db_index=False
    )
    purpose = models.CharField(max_length=5, choices=Purpose)
    kind = models.CharField("condition", max_length=9, choices=Kind)
    topic = models.ForeignKey(
        Topic, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    tier = models.ForeignKey(
        Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    event = models.CharField(
        max_length=KIND_LIMIT, blank=True, validators=[check_kind], help_text="Such as purchased."
    )
    subject = models.CharField(
        max_length=SUBJECT_LIMIT, blank=True, help_text="Of the event; empty for any."
    )
    before_step = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="For exits: only before the step of this number."
    )

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["version"], name="sequence_rule_of_version")]
        constraints = [
            models.CheckConstraint(
                name="sequence_rule_names_its_object",
                condition=Q(kind__in=("topic_in", "topic_out"), topic__isnull=False, event="")
                & Q(tier__isnull=True)
                | Q(kind__in=("tier_is", "tier_not"), tier__isnull=False, event="")
                & Q(topic__isnull=True)
                | Q(kind="event", topic__isnull=True, tier__isnull=True) & ~Q(event="")
                | Q(kind="click", topic__isnull=True, tier__isnull=True, event=""),
            ),
            models.CheckConstraint(
                name="sequence_rule_entry_knows_no_clicks",
                condition=~Q(purpose="entry", kind="click"),
            ),
            models.CheckConstraint(
                name="sequence_rule_step_for_exits_only",
                condition=Q(before_step__isnull=True) | Q(purpose="exit"),
            ),
        ]

    def __str__(self) -> str:
        if self.kind == self.Kind.EVENT:
            return f"did “{self.event}{f' {self.subject}' if self.subject else ''}”"
        name = self.topic or self.tier
        return f"{self.get_kind_display()} {name}" if name else self.get_kind_display()


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def waiting(self) -> EnrolmentQuerySet:
        return self.filter(state=Enrolment.State.ACTIVE)


class Enrolment(models.Model):
    """One person in one sequence, waiting for the step at `position` of `version` until `due_at`.

    At most one that is active for each contact and sequence. `ended_reason` says which condition.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        FINISHED = "finished", "finished"
        GOAL = "goal", "reached the goal"
        EXITED = "exited", "left"
        REMOVED = "removed", "removed"

    sequence = models.ForeignKey(
        Sequence, on_delete=models.PROTECT, related_name="enrolments", db_index=False
    )
    version = models.ForeignKey(
        SequenceVersion, on_delete=models.PROTECT, related_name="enrolments", db_index=False
    )
    contact = models.ForeignKey(
        "contacts.Contact", on_delete=models.CASCADE, related_name="enrolments", db_index=False
    )
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    position = models.PositiveSmallIntegerField(default=1)
    due_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=REASON_LIMIT, blank=True, db_default="")
    ended_by = models.CharField(max_length=150, blank=True, db_default="")

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="enrolment_one_active",
                fields=["sequence", "contact"],
                condition=Q(state="active"),
            ),
            models.CheckConstraint(
                name="enrolment_due_while_active",
                condition=Q(state="active", due_at__isnull=False, ended_at__isnull=True)
                | ~Q(state="active") & Q(due_at__isnull=True, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="enrolment_state_known",
                condition=Q(state__in=("active", "finished", "goal", "exited", "removed")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["version", "position", "due_at"],
                name="enrolment_due",
                condition=Q(state="active"),
            ),
            models.Index(fields=["sequence", "contact", "moved_at"], name="enrolment_of_sequence"),
            models.Index(fields=["contact"], name="enrolment_of_contact"),
        ]

    def __str__(self) -> str:
        return f"enrolment {self.pk} ({self.state})"


class StepMailing(models.Model):
    """The mailing that carries a step in one month."""

    step = models.ForeignKey(
        SequenceStep, on_delete=models.PROTECT, related_name="mailings", db_index=False
    )
    mailing = models.OneToOneField(Mailing, on_delete=models.PROTECT, related_name="sequence_step")
    month = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="step_mailing_once_per_month", fields=["step", "month"]),
        ]

    def __str__(self) -> str:
        return f"step {self.step_id} in {self.month:%Y-%m}"


class StepMail(models.Model):
    """That a step was due for a person: once, whatever is run again, moved or renamed.

    What became of the mail is the message's to say: of this contact, in this mailing and month.
    """

    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.CASCADE, related_name="mails", db_index=False
    )
    step = models.ForeignKey(
        SequenceStep, on_delete=models.PROTECT, related_name="mails", db_index=False
    )
    key = models.UUIDField()
    mailing = models.ForeignKey(Mailing, on_delete=models.PROTECT, related_name="+", db_index=False)
    month = models.DateField()
    contact_id = models.BigIntegerField()
    due_at = models.DateTimeField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # The key is the step's in every version, so this says (enrolment, step) too.
            models.UniqueConstraint(name="step_mail_once", fields=["enrolment", "key"]),
        ]
        indexes = [models.Index(fields=["step"], name="step_mail_of_step")]

    def __str__(self) -> str:
        return f"step {self.step_id} for enrolment {self.enrolment_id}"

"""Lists of opted-in people at the provider, and the runs that keep us in step with them."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.brands.models import Brand, ProviderAccount

STATES = ["waiting", "running", "asks", "done", "failed", "superseded"]


def check_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no time zone; use a name like America/New_York.")


class OptInList(models.Model):
    """A list at the provider whose people are a brand's subscribers.

    A person leaves the brand once none of its lists has them any more; who never was on one is
    none of a sync's business. `last_run` is the newest that was done.
    """

    brand = models.ForeignKey(
        Brand, on_delete=models.PROTECT, related_name="opt_in_lists", db_index=False
    )
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="+")
    list_id = models.CharField(
        max_length=40, validators=[RegexValidator(r"^[A-Za-z0-9_-]+$", "Letters and digits only.")]
    )
    keyword = models.CharField(
        max_length=160, blank=True, db_default="", help_text="Such as PIZZA (71441-US)."
    )
    timezone = models.CharField(
        max_length=64,
        default="America/New_York",
        db_default="America/New_York",
        validators=[check_zone],
        help_text="Of the list's dates: the provider tells them without one.",
    )
    active = models.BooleanField(
        default=True, db_default=True, help_text="Whether it is synced every 15 minutes."
    )
    leave_percent = models.PositiveSmallIntegerField(
        default=10,
        db_default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="A sync that would opt out more of its people than this stops and asks.",
    )
    last_run = models.ForeignKey(
        "sms.ListSyncRun",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "opt-in list"
        constraints = [
            models.UniqueConstraint(
                name="opt_in_list_once_per_brand", fields=["brand", "account", "list_id"]
            ),
            models.CheckConstraint(
                name="opt_in_list_leave_percent", condition=Q(leave_percent__range=(1, 100))
            ),
        ]

    def __str__(self) -> str:
        return f"list {self.list_id}"

    def clean(self) -> None:
        if self.account_id and self.account.kind != ProviderAccount.Kind.LIME:
            raise ValidationError({"account": "Choose an account at Lime."})


class ListMember(models.Model):
    """Somebody whom the last sync of a list saw on it. Without foreign keys: a million a list."""

    pk = models.CompositePrimaryKey("opt_in_list_id", "subscriber_id")
    opt_in_list = models.ForeignKey(
        OptInList, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    subscriber = models.ForeignKey(
        "sms.Subscriber",
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        indexes = [models.Index(fields=["subscriber"], name="list_member_of_subscriber")]

    def __str__(self) -> str:
        return f"subscriber {self.subscriber_id} on list {self.opt_in_list_id}"


class ListSyncRunQuerySet(models.QuerySet["ListSyncRun"]):
    def under_way(self) -> ListSyncRunQuerySet:
        return self.filter(state__in=["waiting", "running"])


class ListSyncRun(models.Model):
    """One sync of one list, from the wish to the result.

    A worker that is at it holds the lease and shows its fence with every write; one that dies
    loses both, and the next begins anew. `would_leave` of `were_active` is what it asks about in
    the state `asks`; a person's answer is a new run that may opt out as many
    (`may_leave`), or none.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "under way"
        ASKS = "asks", "asks whether so many left"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        SUPERSEDED = "superseded", "answered by a later run"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "every 15 minutes"
        COMMAND = "command", "by command"
        OPERATOR = "operator", "by an operator"

    opt_in_list = models.ForeignKey(
        OptInList, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    state = models.CharField(
        max_length=10, choices=State, default=State.WAITING, db_default=State.WAITING
    )
    trigger = models.CharField(max_length=8, choices=Trigger)
    requested_by = models.CharField(max_length=150, blank=True, db_default="")
    may_leave = models.PositiveIntegerField(
        null=True, help_text="So many may be opted out, whatever their share; null: by the list."
    )
    created_at = models.DateTimeField(db_default=Now())
    run_after = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(db_default=0)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    ended_at = models.DateTimeField(null=True)
    phase = models.CharField(max_length=20, blank=True, db_default="")
    bytes_read = models.BigIntegerField(db_default=0)
    records = models.PositiveIntegerField(db_default=0)
    rejected = models.PositiveIntegerField(db_default=0)
    created = models.PositiveIntegerField(db_default=0)
    joined = models.PositiveIntegerField(db_default=0)
    verified = models.PositiveIntegerField(db_default=0)
    kept_out = models.PositiveIntegerField(db_default=0)
    left = models.PositiveIntegerField(db_default=0)
    were_active = models.PositiveIntegerField(db_default=0)
    would_leave = models.PositiveIntegerField(db_default=0)
    problem = models.CharField(max_length=500, blank=True, db_default="")
    correlation_id = models.CharField(max_length=64, blank=True, db_default="")

    objects = ListSyncRunQuerySet.as_manager()

    class Meta:
        verbose_name = "list sync"
        constraints = [
            models.UniqueConstraint(
                name="list_sync_one_at_a_time",
                fields=["opt_in_list"],
                condition=Q(state__in=["waiting", "running"]),
            ),
            models.CheckConstraint(name="list_sync_state_known", condition=Q(state__in=STATES)),
            models.CheckConstraint(
                name="list_sync_ended_when_final",
                condition=Q(state__in=["waiting", "running"], ended_at__isnull=True)
                | (~Q(state__in=["waiting", "running"]) & Q(ended_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="list_sync_lease_when_running",
                condition=Q(state="running", lease_until__isnull=False)
                | (~Q(state="running") & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="list_sync_failed_with_problem", condition=~Q(state="failed") | ~Q(problem="")
            ),
            models.CheckConstraint(
                name="list_sync_would_leave_of_active",
                condition=Q(would_leave__lte=F("were_active")),
            ),
        ]
        indexes = [
            models.Index(fields=["opt_in_list", "-id"], name="list_sync_of_list"),
            models.Index(
                fields=["run_after"],
                name="list_sync_open",
                condition=Q(state__in=["waiting", "running"]),
            ),
            models.Index(fields=["created_at"], name="list_sync_by_age"),
        ]

    def __str__(self) -> str:
        return f"sync {self.pk} ({self.state})"


class ListReject(models.Model):
    """A record of a list that could not be read; those of the newest run that came to its end."""

    run = models.ForeignKey(ListSyncRun, on_delete=models.CASCADE, related_name="rejects")
    line = models.PositiveIntegerField(help_text="Of the document, where the record begins.")
    field = models.CharField(max_length=40)
    reason = models.CharField(max_length=200)
    number = models.CharField(max_length=60, blank=True, db_default="")
    opt_in_date = models.CharField(max_length=60, blank=True, db_default="")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}"

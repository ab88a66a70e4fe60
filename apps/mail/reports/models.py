"""What reports are read from, so that nobody has to count messages: figures, clicks, bounces.

How the figures are kept is decided in docs/adr/0013.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from apps.brands.models import Brand

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

LINK_LIMIT = 500
MACHINE_LIMIT = 60


class FigureKind(models.TextChoices):
    """What is counted, each on the day (UTC) it happened.

    A mail counts once under what the ledger says of it now: a failed one that is retried and sent
    counts as sent only. `skipped` are those dropped after they had been planned. `opened` and
    `clicked` are by people; what machines did has kinds of its own (`events.machines`).
    """

    SENT = "sent", "sent"
    FAILED = "failed", "failed"
    UNKNOWN = "unknown", "unknown"
    SKIPPED = "skipped", "skipped"
    DELIVERED = "delivered", "delivered"
    UNDELIVERED = "undelivered", "not delivered"
    BOUNCED = "bounced", "bounced"
    COMPLAINED = "complained", "complained"
    OPENED = "opened", "opened"
    CLICKED = "clicked", "clicked"
    MACHINE_OPENED = "auto_opened", "opened by machines"
    MACHINE_CLICKED = "auto_clicked", "clicked by machines"


class DailyFigureQuerySet(models.QuerySet["DailyFigure"]):
    def of_brands(self, brand_ids: Collection[int], *, since: date) -> DailyFigureQuerySet:
        return self.filter(brand_id__in=brand_ids, day__gte=since)


class DailyFigure(models.Model):
    """Number of messages of a mailing to which a thing happened on a day, by reason.

    The reason is empty but for failed, unknown and skipped. Kept by `reports.figures`.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+", db_index=False)
    mailing = models.ForeignKey(
        "mail.Mailing", on_delete=models.CASCADE, related_name="daily_figures", db_index=False
    )
    day = models.DateField()
    kind = models.CharField(max_length=12, choices=FigureKind)
    reason = models.CharField(max_length=60, blank=True, db_default="")
    number = models.BigIntegerField()

    objects = DailyFigureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="daily_figure_once", fields=["mailing", "day", "kind", "reason"]
            ),
        ]
        indexes = [
            models.Index(
                fields=["brand", "day"],
                include=["mailing", "kind", "number"],
                name="daily_figure_of_brand",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.number} {self.kind}"


class FigureChange(models.Model):
    """By how much a statement changed a figure; written by a trigger, folded by a job, gone then.

    It names its mailing without a foreign key: it is written with every batch that is settled.
    """

    mailing_id = models.BigIntegerField()
    day = models.DateField()
    kind = models.CharField(max_length=12)
    reason = models.CharField(max_length=60)
    number = models.IntegerField()
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"mailing {self.mailing_id}, {self.day}: {self.number:+} {self.kind}"


class Link(models.Model):
    """A link of a mailing that somebody clicked, without what differs from person to person."""

    mailing = models.ForeignKey(
        "mail.Mailing", on_delete=models.CASCADE, related_name="links", db_index=False
    )
    url = models.CharField(max_length=LINK_LIMIT)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="link_once_per_mailing", fields=["mailing", "url"]),
        ]

    def __str__(self) -> str:
        return self.url


class Click(models.Model):
    """One click, named by what it is, so that an event that comes twice counts once.

    Partitioned by `month`, that of its message. Its key is (month, link_id, message_id,
    clicked_at); Django wants one column, and nothing here is looked up by it. `machine` says which
    machine it was and is empty for a person; within `haste` seconds of the delivery nobody clicks.
    """

    month = models.DateField()
    link_id = models.BigIntegerField()
    message_id = models.BigIntegerField()
    clicked_at = models.DateTimeField(primary_key=True)
    haste = models.FloatField()
    machine = models.CharField(max_length=MACHINE_LIMIT, blank=True)

    class Meta:
        managed = False
        db_table = "mail_click"

    def __str__(self) -> str:
        return f"link {self.link_id}, message {self.message_id}"


class Open(models.Model):
    """One open, as `Click`. Its key is (month, message_id, opened_at)."""

    month = models.DateField()
    message_id = models.BigIntegerField()
    opened_at = models.DateTimeField(primary_key=True)
    haste = models.FloatField()
    machine = models.CharField(max_length=MACHINE_LIMIT, blank=True)

    class Meta:
        managed = False
        db_table = "mail_open"

    def __str__(self) -> str:
        return f"message {self.message_id}"


class MachineRule(models.Model):
    """How to know a machine that opens or clicks: by its user agent or its address.

    With `within_seconds` only so soon after the delivery: behind such a proxy there is a person as
    a rule. Holds for the whole installation.
    """

    class Kind(models.TextChoices):
        AGENT_IS = "agent_is", "the user agent is exactly"
        AGENT_HAS = "agent_has", "the user agent contains"
        NETWORK = "network", "the address lies in"

    kind = models.CharField(max_length=10, choices=Kind)
    pattern = models.CharField(max_length=200)
    name = models.CharField(max_length=MACHINE_LIMIT)
    within_seconds = models.PositiveSmallIntegerField(null=True, blank=True)
    source = models.CharField(max_length=200, blank=True, db_default="")
    enabled = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="machine_rule_once", fields=["kind", "pattern"]),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.get_kind_display()} {self.pattern}"

    def clean(self) -> None:
        """Refuses a network that is none."""
        if self.kind == self.Kind.NETWORK:
            try:
                ip_network(self.pattern)
            except ValueError:
                raise ValidationError(
                    {"pattern": "Write a network like 192.0.2.0/24 or 2001:db8::/32."}
                ) from None


class Bounce(models.Model):
    """Why a message came back, in the provider's words. Partitioned by `month` of the message."""

    month = models.DateField()
    mailing_id = models.BigIntegerField()
    message_id = models.BigIntegerField(primary_key=True)
    domain = models.CharField(max_length=255)
    kind = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=60, blank=True)
    bounced_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "mail_bounce"

    def __str__(self) -> str:
        return f"message {self.message_id}: {self.kind}"

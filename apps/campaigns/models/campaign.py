"""What an operator sends to many."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from apps.brands.models import Brand, Sender
from apps.mail.models import Mailing, Template

DRAFT, SCHEDULED, MISSED = "draft", "scheduled", "missed"


def _is_object(field: str) -> Exact[Any]:
    kind = Func(field, function="jsonb_typeof", output_field=models.TextField())
    return Exact(kind, Value("object"))


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def drafts(self) -> CampaignQuerySet:
        return self.filter(mailing=None)

    def scheduled(self) -> CampaignQuerySet:
        """Waiting for their time."""
        return self.drafts().filter(scheduled_at__isnull=False, missed_at=None)

    def launched(self) -> CampaignQuerySet:
        return self.exclude(mailing=None)

    def with_parts(self) -> CampaignQuerySet:
        """With all that a check, a launch or a list looks at; one query."""
        return self.select_related(*Campaign.PARTS)


class Campaign(models.Model):
    """A draft until it is launched; from then on its state is its mailing's.

    `audience` holds the rules (see `audience`). `frozen_references` keeps what the names in them
    meant at the moment of the launch, and a trigger refuses every later change: the planner reads
    both again and again while it works.

    A scheduled one is started between `scheduled_at` and `latest_start`, or never: then `missed_at`
    and `missed_reason` say so. `scheduled_as` is the fingerprint of what was scheduled (see
    `fingerprints`). `authors` are all who wrote it, of whom none may approve it.
    """

    PARTS = ("brand", "sender__account", "template", "mailing")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="campaigns")
    slug = models.SlugField(
        max_length=60,
        blank=True,
        help_text="A name for the command line.",
        validators=[RegexValidator(r"[^0-9]", "Needs a character that is no digit: 12 is an id.")],
    )
    name = models.CharField(max_length=200, help_text="Templates see it as campaign.name.")
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="campaigns")
    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="campaigns")
    audience = models.JSONField()
    frozen_references = models.JSONField(null=True, blank=True, editable=False)
    mailing = models.OneToOneField(
        Mailing,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="campaign",
    )
    launched_at = models.DateTimeField(null=True, blank=True, editable=False)
    launched_by = models.CharField(max_length=150, blank=True, editable=False)
    scheduled_at = models.DateTimeField(null=True, blank=True, editable=False)
    latest_start = models.DateTimeField(null=True, blank=True, editable=False)
    scheduled_by = models.CharField(max_length=150, blank=True, db_default="", editable=False)
    scheduled_as = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    start_tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)
    missed_reason = models.CharField(max_length=500, blank=True, db_default="", editable=False)
    authors = models.JSONField(
        default=list,
        blank=True,
        editable=False,
        db_default=Value([], output_field=models.JSONField()),
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = CampaignQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="campaign_slug_once_per_brand", fields=["brand", "slug"], condition=~Q(slug="")
            ),
            models.CheckConstraint(
                name="campaign_slug_is_no_id", condition=Q(slug="") | Q(slug__regex=r"[^0-9]")
            ),
            models.CheckConstraint(
                name="campaign_audience_is_object", condition=_is_object("audience")
            ),
            models.CheckConstraint(
                name="campaign_launched_all_or_nothing",
                condition=Q(
                    mailing__isnull=True,
                    launched_at__isnull=True,
                    launched_by="",
                    frozen_references__isnull=True,
                )
                | Q(
                    mailing__isnull=False,
                    launched_at__isnull=False,
                    frozen_references__isnull=False,
                )
                & ~Q(launched_by=""),
            ),
            models.CheckConstraint(
                name="campaign_scheduled_all_or_nothing",
                condition=Q(
                    scheduled_at__isnull=True,
                    latest_start__isnull=True,
                    scheduled_by="",
                    scheduled_as="",
                    missed_at__isnull=True,
                )
                | Q(scheduled_at__isnull=False, latest_start__gte=F("scheduled_at"))
                & ~Q(scheduled_by="")
                & ~Q(scheduled_as=""),
            ),
            models.CheckConstraint(
                name="campaign_missed_with_reason",
                condition=Q(missed_at__isnull=True, missed_reason="")
                | Q(missed_at__isnull=False, mailing__isnull=True) & ~Q(missed_reason=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["scheduled_at"],
                name="campaign_scheduled",
                condition=Q(scheduled_at__isnull=False, missed_at=None, mailing=None),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """`draft`, `scheduled` or `missed`; once it was launched, the state of the mailing."""
        if self.mailing:
            return self.mailing.state
        if self.missed_at:
            return MISSED
        return SCHEDULED if self.scheduled_at else DRAFT

"""What is wanted of a contact's segments at the provider, what is known of them, what was done.

Keys, partitions and retention of the passes are those of docs/adr/0003; why a contact is worked
off one call at a time is told in docs/adr/0018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from collections.abc import Collection

PROVIDER_ID_LIMIT = 128
check_provider_id = RegexValidator(
    rf"^[A-Za-z0-9_-]{{1,{PROVIDER_ID_LIMIT}}}$",
    "Expected the provider's id: 1 to 128 letters, digits, - and _.",
)


class WishMode(models.TextChoices):
    INITIAL = "initial", "joined"
    UPDATE = "update", "changed"


class WishState(models.TextChoices):
    IDLE = "idle", "nothing to do"
    WAITING = "waiting", "waits"
    WORKING = "working", "a call is under way"
    DEAD = "dead", "given up"


OPEN_STATES = (WishState.WAITING, WishState.WORKING)


class SegmentWishQuerySet(models.QuerySet["SegmentWish"]):
    def open(self) -> SegmentWishQuerySet:
        """Those that a worker still has to see to."""
        return self.filter(state__in=OPEN_STATES)

    def dead(self) -> SegmentWishQuerySet:
        return self.filter(state=WishState.DEAD)

    def of_contacts(self, contact_ids: Collection[int]) -> SegmentWishQuerySet:
        return self.filter(contact__in=contact_ids)


class SegmentWish(models.Model):
    """One row per contact: the newest wish, what the provider is known to have, and the pass.

    Writers raise `version` (segments) or `topics_version` (topics, leaving and coming back); a
    worker raises the `done` ones to what it has seen to. The `known` columns are what the last
    calls told: null means that nothing is known. The columns `pass_` belong to the pass under way,
    which takes one claim for each of its calls; `fence` rises with every claim, and whoever holds
    the newest owns the row until `lease_until`.
    """

    contact = models.OneToOneField(
        "contacts.Contact",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="segment_wish",
    )
    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    account = models.ForeignKey(
        "brands.ProviderAccount",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        help_text="Of the brand's sender; none, where the brand has no sender yet.",
    )

    # --- The wish -----------------------------------------------------------------------------
    version = models.BigIntegerField(db_default=0, default=0)
    done_version = models.BigIntegerField(db_default=0, default=0)
    target_segment = models.CharField(  # noqa: DJ001 - null and "" would be two things
        max_length=PROVIDER_ID_LIMIT,
        null=True,
        validators=[check_provider_id],
        help_text="Null: in none of the managed segments.",
    )
    score = models.SmallIntegerField(db_default=0, default=0)
    mode = models.CharField(
        max_length=7, choices=WishMode, default=WishMode.INITIAL, db_default=WishMode.INITIAL
    )
    wished_at = models.DateTimeField(null=True, help_text="Null: no segment was ever wished.")
    topics_version = models.BigIntegerField(db_default=0, default=0)
    topics_done_version = models.BigIntegerField(db_default=0, default=0)
    correlation_id = models.CharField(max_length=64, blank=True, db_default="", default="")

    # --- What the provider is known to have -----------------------------------------------------
    provider_contact_id = models.CharField(
        max_length=PROVIDER_ID_LIMIT, blank=True, db_default="", default=""
    )
    known_segments = ArrayField(models.TextField(), null=True)
    known_at = models.DateTimeField(null=True)
    known_topics = models.JSONField(null=True, help_text="opt_in or opt_out by the provider's id.")
    known_unsubscribed = models.BooleanField(null=True)
    delete_as = models.CharField(
        max_length=254,
        blank=True,
        db_default="",
        default="",
        help_text="What the provider knows a person by who was erased here, until they are deleted "
        "there too.",
    )

    # --- The work -------------------------------------------------------------------------------
    state = models.CharField(
        max_length=7, choices=WishState, default=WishState.IDLE, db_default=WishState.IDLE
    )
    waiting_since = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(db_default=0, default=0)
    called_at = models.DateTimeField(null=True, help_text="When the last call ended.")
    person = models.BigIntegerField(
        null=True,
        help_text="Of account and address, so that two brands' contacts of one person who is one "
        "contact at the provider take turns.",
    )
    attempts = models.SmallIntegerField(db_default=0, default=0)
    throttles = models.IntegerField(db_default=0, default=0)
    failing_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True, db_default="", default="")

    # --- What the last comparison saw ---------------------------------------------------------
    seen_segments = ArrayField(
        models.TextField(), null=True, help_text="Of the managed ones, at the provider."
    )
    seen_run = models.BigIntegerField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="When that comparison began.")

    # --- The pass under way ---------------------------------------------------------------------
    pass_started_at = models.DateTimeField(null=True)
    pass_before = ArrayField(models.TextField(), null=True)
    pass_listed = models.BooleanField(db_default=False, default=False)
    pass_calls = models.SmallIntegerField(db_default=0, default=0)
    pass_retries = models.SmallIntegerField(db_default=0, default=0)
    pass_throttles = models.SmallIntegerField(db_default=0, default=0)
    pass_latency_ms = models.IntegerField(db_default=0, default=0)

    objects = SegmentWishQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "segment wishes"
        constraints = [
            models.CheckConstraint(
                name="segment_wish_state_known", condition=Q(state__in=WishState.values)
            ),
            models.CheckConstraint(
                name="segment_wish_mode_known", condition=Q(mode__in=WishMode.values)
            ),
            models.CheckConstraint(
                name="segment_wish_done_is_no_newer",
                condition=Q(done_version__lte=F("version"))
                & Q(topics_done_version__lte=F("topics_version")),
            ),
            models.CheckConstraint(
                name="segment_wish_lease_while_working",
                condition=Q(state=WishState.WORKING, lease_until__isnull=False)
                | (~Q(state=WishState.WORKING) & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="segment_wish_due_while_open",
                condition=Q(due_at__isnull=False, waiting_since__isnull=False)
                | ~Q(state__in=OPEN_STATES),
            ),
            models.CheckConstraint(
                name="segment_wish_known_both_or_neither",
                condition=Q(known_segments__isnull=True, known_at__isnull=True)
                | Q(known_segments__isnull=False, known_at__isnull=False),
            ),
            models.CheckConstraint(
                name="segment_wish_knows_where", condition=~Q(target_segment="")
            ),
            # Never two calls for one contact of the provider's at once, whatever the code does.
            models.UniqueConstraint(
                name="segment_wish_one_call_per_person",
                fields=["person"],
                condition=Q(state=WishState.WORKING),
            ),
        ]
        indexes = [
            models.Index(
                name="segment_wish_open",
                fields=["account", "waiting_since", "contact"],
                condition=Q(state__in=OPEN_STATES),
            ),
            models.Index(
                name="segment_wish_dead",
                fields=["brand", "contact"],
                condition=Q(state=WishState.DEAD),
            ),
            models.Index(
                name="segment_wish_person",
                fields=["person"],
                condition=Q(person__isnull=False),
            ),
            models.Index(name="segment_wish_brand_page", fields=["brand", "contact"]),
        ]

    def __str__(self) -> str:
        return f"segment wish of contact {self.contact_id}"


class ManagedSegment(models.Model):
    """A segment at the provider that the station fills. No other is ever taken from a contact.

    `brand` is whose contacts it holds: brands that share an account leave each other's alone.
    """

    account = models.ForeignKey(
        "brands.ProviderAccount", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    segment_id = models.CharField(max_length=PROVIDER_ID_LIMIT, validators=[check_provider_id])
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="managed_segment_once", fields=["account", "brand", "segment_id"]
            ),
            models.CheckConstraint(
                name="managed_segment_has_id", condition=Q(segment_id__regex=r"^[A-Za-z0-9_-]+$")
            ),
        ]
        indexes = [models.Index(name="managed_segment_of_brand", fields=["brand"])]

    def __str__(self) -> str:
        return self.name


class ProviderTopic(models.Model):
    """What a topic of ours is called at the provider. Topics without one are not told there."""

    account = models.ForeignKey(
        "brands.ProviderAccount", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    topic = models.ForeignKey(
        "contacts.Topic", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    provider_topic_id = models.CharField(
        max_length=PROVIDER_ID_LIMIT, validators=[check_provider_id]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="provider_topic_once", fields=["topic", "account"]),
            models.CheckConstraint(
                name="provider_topic_has_id",
                condition=Q(provider_topic_id__regex=r"^[A-Za-z0-9_-]+$"),
            ),
        ]

    def __str__(self) -> str:
        return self.provider_topic_id


class SegmentSync(models.Model):
    """One run of `sync_segments` for a brand, and where it stands: it goes on there.

    `position` is the number of the segment at hand and the provider's cursor (compare), or the
    segment and the last contact handed in (backfill). One run of a kind at a time for each brand.
    """

    class Kind(models.TextChoices):
        COMPARE = "compare", "compared with the provider"
        BACKFILL = "backfill", "handed in for import"

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    account = models.ForeignKey(
        "brands.ProviderAccount", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind)
    position = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="segment_sync_one_at_a_time",
                fields=["brand", "kind"],
                condition=Q(finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, run {self.pk}"


class SegmentPass(models.Model):
    """What one pass over one contact came to. Written when it ends; partitioned by month."""

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        DEAD = "dead", "given up"

    month = models.DateField()
    contact_id = models.BigIntegerField()
    brand = models.ForeignKey("brands.Brand", on_delete=models.DO_NOTHING, related_name="+")
    account_id = models.BigIntegerField()
    version = models.BigIntegerField()
    target_segment = models.TextField(null=True)  # noqa: DJ001 - as in the wish
    score = models.SmallIntegerField()
    mode = models.TextField(choices=WishMode)
    segments_before = ArrayField(models.TextField(), null=True)
    segments_after = ArrayField(models.TextField(), null=True)
    calls = models.SmallIntegerField()
    retries = models.SmallIntegerField()
    throttles = models.SmallIntegerField()
    latency_ms = models.IntegerField(help_text="Of its calls together.")
    outcome = models.TextField(choices=Outcome)
    error = models.TextField()
    correlation_id = models.TextField()
    wished_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "newsletter_segmentpass"
        verbose_name_plural = "segment passes"

    def __str__(self) -> str:
        return f"pass {self.id} of contact {self.contact_id}"

"""How people join a brand's newsletter, what they asked for, and what waits to be done about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.secrets import EncryptedTextField
from apps.contacts.addresses import ADDRESS_LIMIT
from apps.contacts.models import ConsentSource

if TYPE_CHECKING:
    from collections.abc import Collection

ERROR_LIMIT = 300
NAME_LIMIT = 150
SUBJECT_LIMIT = 200
TAG_LIMIT = 256
_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]+\])(?::\d+)?")


def check_origin(value: str) -> None:
    """As browsers send it: scheme, host in ASCII and lower case, port where it is not the usual."""
    if not _ORIGIN.fullmatch(value):
        raise ValidationError(
            "Give each origin as browsers send it: https://www.example.com, without a path."
        )


class JoiningRulesQuerySet(models.QuerySet["JoiningRules"]):
    def allowing(self, origin: str) -> JoiningRulesQuerySet:
        return self.filter(origins__contains=[origin])


class JoiningRules(models.Model):
    """How people join one brand. A brand without them has the defaults, and no origins."""

    brand = models.OneToOneField(
        "brands.Brand", on_delete=models.CASCADE, related_name="joining_rules"
    )
    double_opt_in = models.BooleanField(
        default=True, help_text="Whether people confirm by a link in a mail before they get any."
    )
    sender = models.ForeignKey(
        "brands.Sender",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Of confirmations, welcomes and single mails; else the brand's default sender.",
    )
    confirm_template = models.ForeignKey(
        "mail.Template",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Must show {{ variables.confirm_url }}. Without one a plain mail of ours goes"
        " out, in the person's language.",
    )
    welcome_template = models.ForeignKey(
        "mail.Template",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Goes out when somebody has joined. Without one there is no welcome mail.",
    )
    default_topics = models.ManyToManyField(
        "contacts.Topic",
        blank=True,
        related_name="+",
        help_text="What people join who name no topic.",
    )
    origins = ArrayField(
        models.CharField(max_length=300, validators=[check_origin]),
        default=list,
        blank=True,
        help_text="Pages that may ask without a key, such as https://www.example.com; separated"
        " by commas.",
    )
    shows_count = models.BooleanField(
        default=True, help_text="Whether anybody may ask how many subscribe, in round numbers."
    )
    captcha_secret = EncryptedTextField(
        blank=True,
        db_default="",
        help_text="Of Turnstile or a service of its form. With one, the contact form asks for a"
        " captcha_token.",
    )
    contact_forward_to = models.EmailField(
        blank=True,
        db_default="",
        help_text="Where the contact form's texts go. Without one they are only kept here.",
    )

    objects = JoiningRulesQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "joining rules"

    def __str__(self) -> str:
        return f"how people join {self.brand}"

    def clean(self) -> None:
        """What belongs to another brand cannot be chosen."""
        chosen = (self.sender, self.confirm_template, self.welcome_template)
        if any(one is not None and one.brand_id != self.brand_id for one in chosen):
            raise ValidationError("Sender and templates must be the brand's own.")


class MailAction(models.Model):
    """A word for `X-Email-Action`, and the template that it stands for."""

    rules = models.ForeignKey(JoiningRules, on_delete=models.CASCADE, related_name="actions")
    action = models.SlugField(max_length=60)
    template = models.ForeignKey("mail.Template", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="mail_action_once", fields=["rules", "action"]),
        ]

    def __str__(self) -> str:
        return self.action


class JoinRequest(models.Model):
    """Somebody asked to join. Deleted by the transaction that does it; waits for no provider.

    Taken down for every address alike, so that the answer and the time it takes tell nothing of
    who is known. `due_at` is null where it was given up (there is a dead letter then).
    """

    brand = models.ForeignKey("brands.Brand", on_delete=models.CASCADE, related_name="+")
    email = models.CharField(max_length=ADDRESS_LIMIT)
    details = models.JSONField(default=dict, help_text="first_name, last_name, locale, timezone.")
    topic_ids = ArrayField(models.BigIntegerField(), default=list)
    source = models.CharField(max_length=12, choices=ConsentSource)
    detail = models.CharField(max_length=200, blank=True)
    text_shown = models.TextField(blank=True)
    ip = models.GenericIPAddressField(null=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), null=True)
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    last_error = models.CharField(max_length=ERROR_LIMIT, blank=True, db_default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at", "id"], name="join_request_due", condition=Q(due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"join request {self.pk}"


class OptIn(models.Model):
    """What a contact asked for and may still have to confirm, and how many mails that has caused.

    The wish is kept here and not in the link, which anybody's clicks could wear out. `mails` are
    those since `window_started_at`: nobody gets fifty by fifty posts.
    """

    contact = models.OneToOneField(
        "contacts.Contact", on_delete=models.CASCADE, primary_key=True, related_name="opt_in"
    )
    topic_ids = ArrayField(models.BigIntegerField(), default=list)
    text_shown = models.TextField(blank=True)
    ip = models.GenericIPAddressField(null=True)
    source = models.CharField(max_length=12, choices=ConsentSource)
    detail = models.CharField(max_length=200, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    window_started_at = models.DateTimeField(null=True)
    mails = models.PositiveSmallIntegerField(db_default=0, default=0)

    def __str__(self) -> str:
        return f"opt-in of contact {self.contact_id}"


class CacheInvalidationQuerySet(models.QuerySet["CacheInvalidation"]):
    def open(self) -> CacheInvalidationQuerySet:
        return self.filter(state__in=CacheInvalidation.OPEN)

    def of_brands(self, brand_ids: Collection[int]) -> CacheInvalidationQuerySet:
        return self.filter(brand_id__in=brand_ids)


class CacheInvalidation(models.Model):
    """Caches elsewhere that are to forget what carries these tags.

    waiting → calling → done or dead. `due_at` is the next try, or the end of the lease of whoever
    is calling. One of the same tags waits at a time: a burst costs one call.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits"
        CALLING = "calling", "a call is under way"
        DONE = "done", "done"
        DEAD = "dead", "given up"

    OPEN = (State.WAITING, State.CALLING)

    brand = models.ForeignKey("brands.Brand", on_delete=models.CASCADE, related_name="+")
    tags = ArrayField(models.CharField(max_length=TAG_LIMIT))
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.IntegerField(db_default=0, default=0)
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    last_error = models.CharField(max_length=ERROR_LIMIT, blank=True, db_default="")
    correlation_id = models.CharField(max_length=64, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = CacheInvalidationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="cache_invalidation_settled_both_or_neither",
                condition=Q(state__in=["done", "dead"], settled_at__isnull=False)
                | Q(state__in=["waiting", "calling"], settled_at__isnull=True),
            ),
            models.CheckConstraint(
                name="cache_invalidation_has_tags", condition=Q(tags__len__gt=0)
            ),
            models.UniqueConstraint(
                name="cache_invalidation_waits_once",
                fields=["brand", "tags"],
                condition=Q(state="waiting"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="cache_invalidation_due",
                condition=Q(state__in=["waiting", "calling"]),
            ),
            models.Index(
                fields=["settled_at"],
                name="cache_invalidation_settled",
                condition=Q(settled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"cache invalidation {self.pk} ({self.state})"


class ContactSubmissionQuerySet(models.QuerySet["ContactSubmission"]):
    def held(self) -> ContactSubmissionQuerySet:
        return self.filter(state=ContactSubmission.State.HELD)


class ContactSubmission(models.Model):
    """What somebody wrote into a brand's contact form.

    `held` ones wait for a person, because nobody could check their captcha at the time.
    """

    class State(models.TextChoices):
        KEPT = "kept", "kept here"
        FORWARDED = "forwarded", "forwarded"
        HELD = "held", "waits to be looked at"
        DISCARDED = "discarded", "discarded"

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="contact_submissions"
    )
    state = models.CharField(max_length=9, choices=State)
    name = models.CharField(max_length=NAME_LIMIT, blank=True)
    email = models.CharField(max_length=ADDRESS_LIMIT)
    address = models.CharField(max_length=ADDRESS_LIMIT, db_collation="C")
    subject = models.CharField(max_length=SUBJECT_LIMIT, blank=True)
    message = models.TextField()
    ip = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    decided_by = models.CharField(max_length=150, blank=True, db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    forwarded_at = models.DateTimeField(null=True, blank=True)

    objects = ContactSubmissionQuerySet.as_manager()

    class Meta:
        verbose_name = "contact form text"
        constraints = [
            models.CheckConstraint(
                name="contact_submission_state_known",
                condition=Q(state__in=["kept", "forwarded", "held", "discarded"]),
            ),
        ]
        indexes = [
            models.Index(fields=["brand", "id"], name="contact_submission_page"),
            models.Index(fields=["address", "created_at"], name="contact_submission_address"),
            models.Index(fields=["ip", "created_at"], name="contact_submission_ip"),
            models.Index(fields=["created_at"], name="contact_submission_age"),
        ]

    def __str__(self) -> str:
        return f"contact form text {self.pk}"

"""What people did with texts, the links they clicked, and which events were counted already."""

from __future__ import annotations

from django.core.validators import MinLengthValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models import Brand
from apps.brands.models.account import make_webhook_token
from apps.brands.secrets import EncryptedTextField
from apps.sms.models.campaign import TextCampaign, TextMessage
from apps.sms.models.subscriber import MONEY, Subscriber

MOST_LINKS = 16  # a link's code has four bits for its slot


class TextLink(models.Model):
    """A web address that a message's body names: `{{ links.sale }}`.

    `slot` stands in the codes that were sent out, so it belongs to the link for good.
    """

    message = models.ForeignKey(
        TextMessage, on_delete=models.CASCADE, related_name="links", db_index=False
    )
    slot = models.PositiveSmallIntegerField(editable=False)
    name = models.CharField(
        max_length=30,
        validators=[
            RegexValidator(
                r"^[a-z][a-z0-9_]*$", "Lower case letters, digits and _, a letter first."
            )
        ],
        help_text="As the body calls it: {{ links.name }}.",
    )
    url = models.URLField(
        max_length=2000, help_text="Where it leads: http:// or https://.", verbose_name="URL"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="text_link_slot_once", fields=["message", "slot"]),
            models.UniqueConstraint(name="text_link_name_once", fields=["message", "name"]),
            models.CheckConstraint(
                name="text_link_slot_bounds", condition=Q(slot__gte=0, slot__lt=MOST_LINKS)
            ),
            models.CheckConstraint(
                name="text_link_to_the_web", condition=Q(url__regex=r"^https?://[^/]")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TrackingEvent(models.Model):
    """One thing that one person did. Append-only, partitioned by the month of `occurred_at`.

    `message` and `campaign` are what it is attributed to; `text_day` and `text_id` name the very
    text where it is known. `value` has a `currency` where there is one. A repeated event has no
    second row (see `EventKey`).
    """

    class Type(models.TextChoices):
        CLICK = "click", "click"
        BOT_CLICK = "bot_click", "click by a machine"
        PURCHASE = "purchase", "purchase"
        KEYWORD = "keyword", "keyword"
        REPLY = "reply", "reply"

    class Source(models.TextChoices):
        LINK = "link", "tracked link"
        API = "api", "API"
        WEBHOOK = "webhook", "webhook"
        CALLBACK = "callback", "provider's callback"
        BACKFILL = "backfill", "backfill"

    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    brand = models.ForeignKey(
        Brand, on_delete=models.DO_NOTHING, db_constraint=False, related_name="text_events"
    )
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.DO_NOTHING, db_constraint=False, related_name="events"
    )
    message = models.ForeignKey(
        TextMessage, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    campaign = models.ForeignKey(
        TextCampaign, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    text_day = models.DateField(null=True)
    text_id = models.BigIntegerField(null=True)
    event_type = models.CharField(max_length=10, choices=Type)
    source = models.CharField(max_length=8, choices=Source)
    provider_event_id = models.CharField(max_length=200, db_default="")
    value = models.DecimalField(**MONEY, null=True)
    currency = models.CharField(max_length=3, db_default="")
    keyword = models.CharField(  # noqa: DJ001 - null is what its partial index leaves out
        max_length=160, null=True
    )
    link_slot = models.PositiveSmallIntegerField(null=True)

    class Meta:
        managed = False
        db_table = "sms_trackingevent"

    def __str__(self) -> str:
        return f"{self.event_type} {self.pk}"


class EventKey(models.Model):
    """An event that was counted. `key` is a SHA-256 of what makes it the same event again.

    A table of its own: a unique rule over the partitions of the events would hold per month only.
    """

    key = models.BinaryField(primary_key=True, max_length=32)
    occurred_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return bytes(self.key).hex()


class EventSource(models.Model):
    """Another system that reports a brand's events by webhook, signed with `secret`.

    While the secret is changed, the previous one stays valid.
    """

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="event_sources")
    name = models.CharField(max_length=60)
    token = models.CharField(
        max_length=64,
        unique=True,
        default=make_webhook_token,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]{16,64}$")],
        help_text="The last part of its address: /hooks/sms-events/…",
    )
    secret = EncryptedTextField(validators=[MinLengthValidator(24)])
    previous_secret = EncryptedTextField(blank=True)
    active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="event_source_once", fields=["brand", "name"]),
        ]

    def __str__(self) -> str:
        return self.name

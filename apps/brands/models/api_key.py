"""Keys with which programs speak to the station in the name of one brand."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.brands.models.brand import Brand


class Scope(models.TextChoices):
    """What a key may do. To write does not imply to read."""

    BRAND_READ = "brand:read", "read the brand and its senders"
    CONTACTS_READ = "contacts:read", "read contacts"
    CONTACTS_WRITE = "contacts:write", "add, change and unsubscribe contacts"
    TOPICS_READ = "topics:read", "read topics"
    TOPICS_WRITE = "topics:write", "add and change topics"
    SUPPRESSIONS_READ = "suppressions:read", "read suppressions"
    SUPPRESSIONS_WRITE = "suppressions:write", "add and lift suppressions"
    TEMPLATES_READ = "templates:read", "read templates"
    TEMPLATES_WRITE = "templates:write", "add, change and delete templates"
    CAMPAIGNS_READ = "campaigns:read", "read campaigns, results and recipients"
    CAMPAIGNS_WRITE = "campaigns:write", "draft and check campaigns, send tests"
    CAMPAIGNS_LAUNCH = (
        "campaigns:launch",
        "schedule, launch, pause, resume, cancel and retry campaigns",
    )
    WEBHOOKS_READ = "webhooks:read", "read webhook endpoints"
    WEBHOOKS_WRITE = "webhooks:write", "add and change webhook endpoints"
    QUEUES_READ = "queues:read", "read queues and dead letters"
    QUEUES_WRITE = "queues:write", "drive dead letters again"
    PULSE_WRITE = "pulse:write", "report engagement"
    MAIL_SEND = "mail:send", "send single mails"
    NEWSLETTER_RUN = "newsletter:run", "start digests and sequences"
    SUBSCRIBERS_READ = "subscribers:read", "read the people who get texts"
    SUBSCRIBERS_WRITE = "subscribers:write", "add and change the people who get texts"
    SMS_WRITE = "sms:write", "report what people did with texts"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def valid(self) -> ApiKeyQuerySet:
        """Neither revoked nor expired, by the database's clock."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at=None)


class ApiKey(models.Model):
    """`prefix` is shown and looked up; of the rest only a SHA-256 is kept.

    At most two of one name are valid at once, so that a key can be changed without a gap
    (`keys.issue` sees to it: what is valid depends on the clock, no constraint can tell).
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=60, help_text="Which program uses it, such as shop.")
    prefix = models.CharField(max_length=20, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope))
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=150, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(name="api_key_has_scopes", condition=Q(scopes__len__gt=0)),
            models.CheckConstraint(
                name="api_key_scopes_known", condition=Q(scopes__contained_by=Scope.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def actor(self) -> str:
        """As the audit log and "by whom" columns name it."""
        return f"key:{self.pk} {self.name}"

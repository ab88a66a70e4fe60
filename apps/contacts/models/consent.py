"""The evidence: who agreed or left, when, how, and what they were told."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ConsentKind(models.TextChoices):
    SUBSCRIBED = "subscribed", "subscribed"
    CONFIRMED = "confirmed", "confirmed by link"
    UNSUBSCRIBED = "unsubscribed", "unsubscribed"
    IMPORTED = "imported", "imported from a file"
    TOPIC_OPT_IN = "topic_opt_in", "opted in to a topic"
    TOPIC_OPT_OUT = "topic_opt_out", "opted out of a topic"
    PAUSED = "paused", "asked for a pause"
    RESUMED = "resumed", "ended the pause"


class ConsentSource(models.TextChoices):
    FORM = "form", "a form of ours"
    LINK = "link", "a link in a mail"
    ONE_CLICK = "one_click", "the mail client's button"
    PREFERENCES = "preferences", "the preferences page"
    IMPORT = "import", "a file"
    API = "api", "the API"
    OPERATOR = "operator", "an operator"
    PROVIDER = "provider", "the email provider"


class ConsentRecord(models.Model):
    """Append-only: a trigger refuses changes. Rows go only with their contact (erasure).

    `text_shown` is what the person saw or, for an import, what the operator declares.
    """

    contact = models.ForeignKey(
        "contacts.Contact", on_delete=models.CASCADE, related_name="consents", db_index=False
    )
    topic = models.ForeignKey(
        "contacts.Topic", on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=14, choices=ConsentKind)
    source = models.CharField(max_length=12, choices=ConsentSource)
    detail = models.CharField(max_length=200, blank=True, db_default="")
    text_shown = models.TextField(blank=True, db_default="")
    ip = models.GenericIPAddressField(null=True, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True, db_default="")
    occurred_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=ConsentKind.values), name="consent_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=ConsentSource.values), name="consent_source_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[ConsentKind.TOPIC_OPT_IN, ConsentKind.TOPIC_OPT_OUT],
                    topic__isnull=False,
                )
                | (
                    ~Q(kind__in=[ConsentKind.TOPIC_OPT_IN, ConsentKind.TOPIC_OPT_OUT])
                    & Q(topic__isnull=True)
                ),
                name="consent_topic_with_topic_kinds_only",
            ),
        ]
        indexes = [models.Index(fields=["contact", "id"], name="consent_of_contact")]

    def __str__(self) -> str:
        return f"contact {self.contact_id}: {self.kind}"

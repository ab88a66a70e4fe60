"""What a brand writes about, and who wants which of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class TopicQuerySet(models.QuerySet["Topic"]):
    def of_brand(self, brand_id: int) -> TopicQuerySet:
        return self.filter(brand_id=brand_id)


class Topic(models.Model):
    """Something people can want or leave apart from the rest, such as a weekly digest."""

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="topics", db_index=False
    )
    slug = models.SlugField(max_length=60, db_index=False)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, db_default="")
    is_public = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = TopicQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["brand", "slug"], name="topic_slug_once_per_brand"),
            models.CheckConstraint(condition=~Q(slug=""), name="topic_has_slug"),
        ]

    def __str__(self) -> str:
        return self.name


class TopicState(models.TextChoices):
    OPT_IN = "opt_in", "opted in"
    OPT_OUT = "opt_out", "opted out"


class TopicSubscription(models.Model):
    """One contact's last word on one topic. No row: never asked, so nothing is sent."""

    contact = models.ForeignKey(
        "contacts.Contact", on_delete=models.CASCADE, related_name="topics", db_index=False
    )
    topic = models.ForeignKey(
        Topic, on_delete=models.PROTECT, related_name="subscriptions", db_index=False
    )
    state = models.CharField(max_length=7, choices=TopicState)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also the way to a topic's opt-ins by contact id: `state` rides along in the index.
            models.UniqueConstraint(
                fields=["topic", "contact"], include=["state"], name="topic_once_per_contact"
            ),
            models.CheckConstraint(
                condition=Q(state__in=TopicState.values), name="topic_state_known"
            ),
        ]
        indexes = [models.Index(fields=["contact"], name="topic_subscription_contact")]

    def __str__(self) -> str:
        return f"contact {self.contact_id}, topic {self.topic_id}: {self.state}"

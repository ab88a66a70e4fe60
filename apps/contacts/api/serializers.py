"""How contacts, topics and suppressions are read and written."""

from __future__ import annotations

from rest_framework import serializers

from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.contacts.addresses import RAW_LIMIT
from apps.contacts.models import (
    ContactStatus,
    Suppression,
    SuppressionOrigin,
    SuppressionReason,
    TopicState,
)
from apps.contacts.models.contact import LOCALE_LIMIT, NAME_LIMIT, TIMEZONE_LIMIT
from apps.contacts.suppressing import NOTE_LIMIT

MOST_TOPICS = 100
TEXT_SHOWN_LIMIT = 5000


class TopicWordSerializer(StrictSerializer):
    """A contact's word on one topic."""

    topic = serializers.SlugField(source="topic.slug", read_only=True)
    state = serializers.ChoiceField(choices=TopicState.choices, read_only=True)
    changed_at = serializers.DateTimeField(read_only=True)


class ContactSerializer(StrictSerializer):
    object = ObjectName("contact")
    id = serializers.IntegerField(read_only=True)
    email = serializers.CharField(read_only=True)
    first_name = serializers.CharField(read_only=True)
    last_name = serializers.CharField(read_only=True)
    locale = serializers.CharField(read_only=True)
    timezone = serializers.CharField(read_only=True)
    traits = serializers.DictField(read_only=True)
    status = serializers.ChoiceField(choices=ContactStatus.choices, read_only=True)
    status_changed_at = serializers.DateTimeField(read_only=True)
    topics = TopicWordSerializer(many=True, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class ContactChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    first_name = serializers.CharField(required=False, allow_blank=True, max_length=NAME_LIMIT)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=NAME_LIMIT)
    locale = serializers.CharField(
        required=False, allow_blank=True, max_length=LOCALE_LIMIT, help_text="Such as de-AT."
    )
    timezone = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=TIMEZONE_LIMIT,
        help_text="Of the IANA list, such as Europe/Berlin.",
    )
    traits = serializers.DictField(
        required=False,
        child=serializers.JSONField(allow_null=True),
        help_text="Merged with those that are there, by name; null removes one.",
    )


class ContactCreateSerializer(ContactChangeSerializer):
    email = serializers.CharField(max_length=RAW_LIMIT)
    status = serializers.ChoiceField(
        choices=[ContactStatus.SUBSCRIBED.value, ContactStatus.PENDING.value],
        required=False,
        default=ContactStatus.SUBSCRIBED.value,
        help_text="Of a new contact. Nobody who is known already is subscribed again by this.",
    )
    topics = serializers.ListField(
        child=serializers.SlugField(max_length=60),
        required=False,
        max_length=MOST_TOPICS,
        help_text="Slugs of topics that a new contact opts in to.",
    )
    text_shown = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=TEXT_SHOWN_LIMIT,
        help_text="What the person saw when they agreed; kept as evidence.",
    )


class TopicChoiceSerializer(StrictSerializer):
    """The person's word on one topic."""

    topic = serializers.SlugField(max_length=60)
    state = serializers.ChoiceField(choices=TopicState.choices)
    text_shown = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=TEXT_SHOWN_LIMIT
    )


class TopicSerializer(StrictSerializer):
    object = ObjectName("topic")
    id = serializers.IntegerField(read_only=True)
    slug = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True)
    is_public = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class TopicChangeSerializer(StrictSerializer):
    name = serializers.CharField(required=False, max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=5000)
    is_public = serializers.BooleanField(
        required=False, help_text="Whether people see it on their preferences page."
    )


class TopicCreateSerializer(TopicChangeSerializer):
    slug = serializers.RegexField(r"^[-a-zA-Z0-9_]{1,60}$", max_length=60)
    name = serializers.CharField(max_length=120)


class SuppressionSerializer(StrictSerializer):
    object = ObjectName("suppression")
    id = serializers.IntegerField(read_only=True)
    email = serializers.CharField(source="address", read_only=True)
    reason = serializers.ChoiceField(choices=SuppressionReason.choices, read_only=True)
    origin = serializers.ChoiceField(choices=SuppressionOrigin.choices, read_only=True)
    for_all_brands = serializers.SerializerMethodField()
    detail = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    lifted_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_for_all_brands(self, suppression: Suppression) -> bool:
        return suppression.brand_id is None


class SuppressionCreateSerializer(StrictSerializer):
    """Blocks an address for the brand, by hand."""

    email = serializers.CharField(max_length=RAW_LIMIT)
    detail = serializers.CharField(required=False, allow_blank=True, default="", max_length=150)


class SuppressionLiftSerializer(StrictSerializer):
    note = serializers.CharField(
        max_length=NOTE_LIMIT, help_text="Why mail may go there again; kept with it."
    )

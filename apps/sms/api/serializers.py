"""How subscribers and events look in the API's document; reading them is done in bulk elsewhere."""

from __future__ import annotations

from rest_framework import serializers


class SubscriberSerializer(serializers.Serializer[object]):
    """A person: the fields as they are written, and what is known beside them.

    Totals are those imported plus those counted from events; both are shown apart, too.
    """

    id = serializers.IntegerField()
    phone = serializers.CharField()
    status = serializers.CharField()
    timezone = serializers.CharField()
    state = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class UpsertAnswerSerializer(serializers.Serializer[object]):
    success = serializers.BooleanField()
    created = serializers.BooleanField(required=False)
    kept_out = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Fields that would have brought back a person who left; an opt_in is needed.",
    )
    subscriber = SubscriberSerializer(required=False)


class BulkAnswerSerializer(serializers.Serializer[object]):
    success = serializers.BooleanField(help_text="Whether all items went well.")
    results = serializers.ListField(child=serializers.DictField())

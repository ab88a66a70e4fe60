"""How endpoints and deliveries are read and written. Secrets are in none of these but one."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - the API's document reads what methods return

from rest_framework import serializers

from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.station.outgoing.calling import webhook_id
from apps.station.outgoing.destinations import URL_LIMIT
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import REASON_LIMIT, WebhookDelivery, WebhookEndpoint

# A reason stands behind who gave it, in a text of REASON_LIMIT.
GIVEN_REASON_LIMIT = 100
ENDPOINT_STATES = ("enabled", "failing", "disabled")


class EndpointSerializer(StrictSerializer):
    object = ObjectName("webhook_endpoint")
    id = serializers.IntegerField(read_only=True)
    url = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=EventType.choices), read_only=True
    )
    state = serializers.ChoiceField(
        choices=[(one, one) for one in ENDPOINT_STATES],
        read_only=True,
        help_text="failing: it still is tried; disabled: what waits for it goes on waiting.",
    )
    disabled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    disabled_reason = serializers.CharField(read_only=True)
    failing_since = serializers.DateTimeField(read_only=True, allow_null=True)
    last_success_at = serializers.DateTimeField(read_only=True, allow_null=True)
    secret_changed_at = serializers.DateTimeField(read_only=True)
    has_previous_secret = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)

    def get_has_previous_secret(self, endpoint: WebhookEndpoint) -> bool:
        return bool(endpoint.previous_secret)


class EndpointChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    url = serializers.CharField(
        required=False, max_length=URL_LIMIT, help_text="https, and on the public internet."
    )
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=REASON_LIMIT, trim_whitespace=True
    )
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=EventType.choices),
        required=False,
        min_length=1,
        max_length=len(EventType),
    )


class EndpointCreateSerializer(EndpointChangeSerializer):
    url = serializers.CharField(max_length=URL_LIMIT, help_text="https, on the public internet.")
    description = serializers.CharField(
        default="", allow_blank=True, max_length=REASON_LIMIT, trim_whitespace=True
    )
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=EventType.choices),
        min_length=1,
        max_length=len(EventType),
    )


class SecretSerializer(StrictSerializer):
    object = ObjectName("webhook_secret")
    secret = serializers.CharField(read_only=True, help_text="whsec_ and base64.")
    changed_at = serializers.DateTimeField(read_only=True, source="secret_changed_at")


class DisableSerializer(StrictSerializer):
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=GIVEN_REASON_LIMIT, trim_whitespace=True
    )


class SinceSerializer(StrictSerializer):
    since = serializers.DateTimeField(help_text="Those recorded from then on.")


class RedeliveredSerializer(StrictSerializer):
    object = ObjectName("webhook_redelivery")
    number = serializers.IntegerField(read_only=True, min_value=0)


class TrySerializer(StrictSerializer):
    """One try as it ended; without a status there was no answer."""

    at = serializers.DateTimeField(read_only=True)
    status = serializers.IntegerField(read_only=True, required=False)
    ms = serializers.IntegerField(read_only=True, required=False)
    error = serializers.CharField(read_only=True, required=False)


class DeliverySerializer(StrictSerializer):
    object = ObjectName("webhook_delivery")
    id = serializers.IntegerField(read_only=True)
    endpoint_id = serializers.IntegerField(read_only=True)
    type = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices, read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    last_status = serializers.IntegerField(read_only=True, allow_null=True)
    last_error = serializers.CharField(read_only=True)
    latency_ms = serializers.IntegerField(read_only=True, allow_null=True)
    next_try_at = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)
    settled_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def get_next_try_at(self, delivery: WebhookDelivery) -> datetime | None:
        return delivery.due_at if delivery.state == WebhookDelivery.State.PENDING else None


class DeliveryDetailSerializer(DeliverySerializer):
    """With what was sent, and what came back."""

    webhook_id = serializers.SerializerMethodField()
    occurred_at = serializers.DateTimeField(read_only=True, source="event.occurred_at")
    payload = serializers.DictField(
        read_only=True, source="event.data", help_text="The `data` of the body that is sent."
    )
    answer = serializers.CharField(
        read_only=True, source="snippet", help_text="The beginning of the last answer's body."
    )
    tries = TrySerializer(many=True, read_only=True, source="history")

    def get_webhook_id(self, delivery: WebhookDelivery) -> str:
        return webhook_id(delivery.event.uid)

"""The pages of the top room in admin."""

from apps.station.outgoing.admin import WebhookDeliveryAdmin, WebhookEndpointAdmin

__all__ = ["WebhookDeliveryAdmin", "WebhookEndpointAdmin"]

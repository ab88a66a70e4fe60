"""Webhooks in admin: endpoints, and the log of what was sent to them."""

from apps.station.outgoing.admin.deliveries import WebhookDeliveryAdmin
from apps.station.outgoing.admin.endpoints import WebhookEndpointAdmin

__all__ = ["WebhookDeliveryAdmin", "WebhookEndpointAdmin"]

"""The pages of the top room in admin."""

from apps.station.outgoing.admin import WebhookDeliveryAdmin, WebhookEndpointAdmin
from apps.station.queues_desk.admin import (
    AlertAdmin,
    DeadLetterAdmin,
    QueueStandingAdmin,
    SchedulePeriodAdmin,
    SwitchAdmin,
)

__all__ = [
    "AlertAdmin",
    "DeadLetterAdmin",
    "QueueStandingAdmin",
    "SchedulePeriodAdmin",
    "SwitchAdmin",
    "WebhookDeliveryAdmin",
    "WebhookEndpointAdmin",
]

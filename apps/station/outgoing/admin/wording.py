"""How states look."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from apps.station.outgoing.models import WebhookDelivery

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT_TONES: Mapping[str, str] = MappingProxyType(
    {"enabled": "good", "failing": "warn", "disabled": "bad", "removed": "bad"}
)
STATE_TONES: Mapping[str, str] = MappingProxyType(
    {
        WebhookDelivery.State.PENDING: "",
        WebhookDelivery.State.CALLING: "",
        WebhookDelivery.State.DELIVERED: "good",
        WebhookDelivery.State.FAILED: "bad",
    }
)

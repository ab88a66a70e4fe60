"""What a station's desk does for the test of the whole way; imported in the desk's process only."""

from __future__ import annotations

from apps.station.outgoing import endpoints
from apps.station.outgoing.event_types import EventType


def add_endpoint(*, brand_id: int, url: str) -> dict[str, str]:
    """An endpoint that wants everything; returns its secret."""
    added = endpoints.add(
        brand_id=brand_id, url=url, event_types=EventType.values, actor="the harness"
    )
    return {"secret": added.secret}

"""What a campaign says and to whom, as one short text: equal as long as nothing was edited."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from apps.campaigns.models import Campaign


def fingerprint(campaign: Campaign) -> str:
    """64 hex digits; expects a campaign read `with_parts`. Covers name, sender, audience, texts."""
    template = campaign.template
    parts = (
        campaign.brand_id,
        campaign.sender_id,
        campaign.name,
        campaign.audience,
        template.subject,
        template.html,
        template.text,
    )
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()

"""Which clicks are of machines: previews, scanners, prefetching browsers.

Their clicks are kept apart and count for nothing. What is taken for a person may still be a machine
that says nothing of itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MACHINES = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|facebookexternalhit|facebot|whatsapp|telegram"
    r"|skypeuri|google-read-aloud|googleother|mediapartners|headless|phantomjs|puppeteer|playwright"
    r"|python|curl/|wget/|libwww|java/|okhttp|go-http-client|node-fetch|axios|httpclient|apache-http"
    r"|monitor|uptime|validator|proofpoint|mimecast|barracuda|safelinks|urldefense|cfnetwork",
    re.IGNORECASE,
)
_PREFETCH_HEADERS = ("Purpose", "X-Purpose", "Sec-Purpose", "X-Moz")


def is_machine(*, method: str, headers: Mapping[str, str]) -> bool:
    """By what the request says of itself."""
    agent = headers.get("User-Agent", "")
    if method != "GET" or not agent or _MACHINES.search(agent):
        return True
    told = " ".join(headers.get(name, "") for name in _PREFETCH_HEADERS).lower()
    return "prefetch" in told or "preview" in told or "prerender" in told

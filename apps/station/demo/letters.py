"""One of the letters as it was sent, to look at in a browser."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from pathlib import Path


def save_letter(provider_url: str, *, api_key: str, email_id: str, path: Path) -> bool:
    """Ask the provider for a mail it accepted and write its HTML; whether it still had it."""
    host = urlsplit(provider_url)
    connection = HTTPConnection(host.hostname or "", host.port, timeout=10)
    headers = {"Authorization": f"Bearer {api_key}", "User-Agent": "flux-station-demo"}
    try:
        connection.request("GET", f"/emails/{email_id}", headers=headers)
        html = orjson.loads(connection.getresponse().read()).get("html")
    finally:
        connection.close()
    if html:
        path.write_text(html, encoding="utf-8")
    return bool(html)

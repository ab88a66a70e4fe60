"""Where webhooks may go: the form of an address, and which machines it may lead to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings

from apps.queues.outbound.dialling import Origin
from apps.queues.outbound.special_addresses import is_loopback, is_public
from apps.station.outgoing.errors import InvalidEndpointError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

URL_LIMIT = 500
_PLAIN = re.compile(r"[!-~]+")
_LOCAL_NAME = "localhost"


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL in two: the origin that connections are made to, and the target of each request."""

    base_url: str
    target: str


def admit(address: str) -> bool:
    """Whether a webhook may be sent to this numeric address."""
    return is_public(address) or (settings.WEBHOOK_LOOPBACK and is_loopback(address))


def read_url(url: str) -> Destination:
    """Raises `InvalidEndpointError`, which names what to change.

    The addresses behind a name are looked at when it is connected to: they may change.
    """
    if len(url) > URL_LIMIT:
        raise _refused(f"has {len(url)} characters; at most {URL_LIMIT} are kept.")
    if not _PLAIN.fullmatch(url):
        raise _refused(
            "has spaces or characters beyond ASCII; percent-encode the path, and write the name"
            " of the host in its xn-- form."
        )
    parts = _split(url)
    _check_host(parts)
    host = parts.netloc
    path = parts.path or "/"
    return Destination(
        base_url=f"{parts.scheme}://{host}",
        target=f"{path}?{parts.query}" if parts.query else path,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
        known = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        raise _refused("has no readable host or port; expected https://host[:port]/path.") from None
    if not known or port == 0:
        raise _refused("expected https://host[:port]/path.")
    if parts.username is not None or parts.password is not None:
        raise _refused("has a user or password; take it out: the signature says who calls.")
    if parts.fragment or parts.netloc.endswith(":"):
        raise _refused("has a fragment (#…) or an empty port; take it out.")
    try:
        Origin.parse(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise _refused("the name of the host is no valid one.") from None
    return parts


def _check_host(parts: SplitResult) -> None:
    host = parts.hostname or ""
    local = host == _LOCAL_NAME or is_loopback(host)
    if local and not settings.WEBHOOK_LOOPBACK:
        raise _refused("leads to the station's own machine; give an address on the internet.")
    if parts.scheme == "http" and not local:
        raise _refused("is not encrypted; expected https://…")
    if _is_numeric(host) and not admit(host):
        raise _refused("leads into a private network; give an address on the internet.")


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused(problem: str) -> InvalidEndpointError:
    return InvalidEndpointError({"url": problem})

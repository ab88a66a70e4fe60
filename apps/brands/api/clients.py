"""The address that a request came from, told by the proxies that we trust and by nobody else."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest

MOST_HOPS = 20


def client_address(request: HttpRequest) -> str | None:
    """The nearest address that is no trusted proxy (`FLUX_TRUSTED_PROXIES`); None where unknown.

    Each proxy adds the address it was called from at the end of `X-Forwarded-For`; what stands
    before the first stranger is that stranger's own claim and not believed.
    """
    nearest = request.META.get("REMOTE_ADDR", "")
    if nearest and not _is_trusted(nearest):
        return _read(nearest)
    claimed = request.headers.get("X-Forwarded-For", "").split(",")[-MOST_HOPS:]
    for hop in reversed([one.strip() for one in claimed if one.strip()]):
        if _read(hop) is None:
            return _read(nearest)
        nearest = hop
        if not _is_trusted(hop):
            break
    return _read(nearest)


def _is_trusted(address: str) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in settings.TRUSTED_PROXIES)


def _read(address: str) -> str | None:
    found = _parsed(address)
    return None if found is None else str(found)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

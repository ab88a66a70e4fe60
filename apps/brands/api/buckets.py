"""Which allowance a call is counted against: a route's bucket, and who calls.

Routes share a bucket only where one running dry may stop the other: mail that somebody waits for
(`TRANSACTIONAL`) never shares with sign-ups (`EMAIL`). The numbers are settings (`RATE_BUCKETS`).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

# An IPv6 customer has a whole network of addresses.
IPV6_PREFIX = 64


class Bucket(StrEnum):
    """The attribute `bucket` of a view."""

    API = "api"
    EMAIL = "email"
    TRANSACTIONAL = "transactional"
    PUBLIC = "public"
    QUEUE_WORKER = "queueWorker"


@dataclass(frozen=True)
class Allowance:
    """`per_second` requests in the long run, `burst` of them at once."""

    per_second: float
    burst: int

    @property
    def interval_us(self) -> float:
        return 1_000_000 / self.per_second


@dataclass(frozen=True)
class Caller:
    """Who calls: a key, or a stranger's address."""

    name: str
    is_client: bool = False


def key_caller(key_id: int) -> Caller:
    return Caller(str(key_id))


def client_caller(address: str | None) -> Caller:
    """Those whose address is not known share one allowance."""
    return Caller(f"ip:{_network(address)}", is_client=True)


def allowance_of(bucket: Bucket, caller: Caller) -> Allowance:
    """A client's own where the bucket has one, else what a key has."""
    if bucket is Bucket.API:
        return Allowance(settings.API_REQUESTS_PER_SECOND, settings.API_BURST)
    numbers = settings.RATE_BUCKETS
    name = f"{bucket}-client" if caller.is_client and f"{bucket}-client" in numbers else bucket
    return Allowance(*numbers[str(name)])


def bucket_key(bucket: Bucket, caller: Caller) -> str:
    """Its name in the broker."""
    prefix = "api:rate" if bucket is Bucket.API else f"api:rate:{bucket}"
    return f"{prefix}:{caller.name}"


def _network(address: str | None) -> str:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:  # noqa: PLR2004 - IPv4
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))

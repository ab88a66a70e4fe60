"""Reading a source over HTTP: one request, no redirects, limits on size and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.newsletter.digests.addresses import admit, read_url
from apps.newsletter.digests.articles import read_feed, read_json
from apps.newsletter.digests.errors import SourceError
from apps.newsletter.models import DigestSource
from apps.queues.outbound import OutboundError, Transport

if TYPE_CHECKING:
    from apps.newsletter.digests.articles import Article

USER_AGENT = "FluxStation-Digest/1.0"
CONNECT_SECONDS = 5.0
_OK = 200
_REDIRECT = range(300, 400)
_ACCEPT = {
    DigestSource.Kind.FEED: "application/rss+xml, application/atom+xml, application/xml, text/xml",
    DigestSource.Kind.JSON: "application/feed+json, application/json",
}
_REASONS = {
    "dns": "the name of the host was not found",
    "address": "the host leads into a private network",
    "refused": "the connection was refused",
    "tls": "TLS failed: is the certificate valid?",
    "connect_timeout": "no connection in time",
    "timeout": "no answer in time",
    "deadline": "no answer in time",
    "too_large": "the answer is larger than FLUX_FEED_LIMIT_KB allows",
    "encoded": "the answer is compressed without being asked",
}


def fetch(source: DigestSource) -> list[Article]:
    """The source's articles in its own order. Raises `SourceError`."""
    body = _get(source)
    read = read_json if source.kind == DigestSource.Kind.JSON else read_feed
    return read(body, base_url=source.url)


def _get(source: DigestSource) -> bytes:
    total = settings.FEED_TOTAL_SECONDS
    try:
        address = read_url(source.url)
    except ValidationError as error:  # kept while the settings allowed more
        raise SourceError(" ".join(error.messages)) from None
    transport = Transport(
        address.base_url,
        connect_timeout_s=min(CONNECT_SECONDS, total),
        read_timeout_s=total,
        total_timeout_s=total,
        max_answer_bytes=settings.FEED_LIMIT_KB * 1024,
        admit=admit,
    )
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": _ACCEPT[DigestSource.Kind(source.kind)],
        "Accept-Encoding": "identity",
    }
    try:
        answer = transport.request("GET", address.target, headers=headers)
    except OutboundError as error:
        raise SourceError(_REASONS.get(error.reason, error.reason)) from None
    finally:
        transport.close()
    if answer.status in _REDIRECT:
        raise SourceError(f"answered {answer.status}: redirects are not followed")
    if answer.status != _OK:
        raise SourceError(f"answered {answer.status}")
    return answer.body

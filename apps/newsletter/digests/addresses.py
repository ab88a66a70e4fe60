"""Which addresses a digest may be read from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.queues.outbound.dialling import Origin
from apps.queues.outbound.special_addresses import is_loopback, is_public

_PLAIN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class FeedAddress:
    """A URL in two: the origin that is connected to, and the target of the request."""

    base_url: str
    target: str


def admit(address: str) -> bool:
    """Whether a feed may be read from this numeric address."""
    return is_public(address) or (settings.FEED_LOOPBACK and is_loopback(address))


def read_url(url: str) -> FeedAddress:
    """Raises `ValidationError`, which says what to change.

    The addresses behind a name are looked at when it is connected to: they may change.
    """
    if not _PLAIN.fullmatch(url):
        raise ValidationError("Percent-encode spaces and characters beyond ASCII.")
    try:
        parts = urlsplit(url)
        origin = Origin.parse(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise ValidationError("Expected https://host[:port]/path, without a user.") from None
    local = settings.FEED_LOOPBACK and (origin.host == "localhost" or is_loopback(origin.host))
    if parts.scheme != "https" and not local:
        raise ValidationError("Is not encrypted; expected https://…")
    if parts.fragment:
        raise ValidationError("Has a fragment (#…); take it out.")
    path = parts.path or "/"
    return FeedAddress(
        base_url=f"{parts.scheme}://{parts.netloc}",
        target=f"{path}?{parts.query}" if parts.query else path,
    )


def check_url(url: str) -> None:
    """For the model's field."""
    read_url(url)

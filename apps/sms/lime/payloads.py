"""The provider's requests, byte by byte; pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_BULK = 1_000
"""The provider ignores, without a word, what a call holds beyond this many."""
LONGEST_MESSAGE = 1_600
"""Ten segments of GSM-7 are 1,530 characters; operators take no more."""

ONE_WAY_PATH = "/sendsmsapi?format=xml&json=true"
BULK_PATH = "/sendBulk"

_MOBILE = re.compile(r"[1-9][0-9]{6,14}")
# What XML 1.0 cannot hold, however it is written.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class UnsendableError(ValueError):
    """The text or number can never be sent as it is. `reason` is a short token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    api_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """One text to one number: digits with the country's code, with or without a plus."""

    mobile: str
    message: str


def checked(send: Send) -> Send:
    """The send as the provider writes numbers; raises `UnsendableError`."""
    mobile = send.mobile.removeprefix("+")
    if not _MOBILE.fullmatch(mobile):
        raise UnsendableError("invalid_number")
    if not send.message.strip():
        raise UnsendableError("empty")
    if len(send.message) > LONGEST_MESSAGE:
        raise UnsendableError("too_long")
    if _NOT_XML.search(send.message):
        raise UnsendableError("characters")
    return Send(mobile, send.message)


def one_way_body(credentials: Credentials, shortcode: str, send: Send) -> bytes:
    """One text to one number."""
    return (
        f"<Data>{_who(credentials)}<Message>{escape(send.message)}</Message>"
        f"<Mobiles><Mobile>{send.mobile}</Mobile></Mobiles>"
        f"<Shortcode>{escape(shortcode)}</Shortcode></Data>"
    ).encode()


def bulk_body(credentials: Credentials, shortcode: str, sends: Sequence[Send]) -> bytes:
    """Up to 1,000 texts, each its own; ValueError for more, and for none."""
    if not 1 <= len(sends) <= LARGEST_BULK:
        raise ValueError(
            f"{len(sends)} texts in a bulk call; it takes 1 to {LARGEST_BULK}, and the provider "
            "would ignore the rest without a word"
        )
    each = "".join(
        f"<Send><Mobile>{send.mobile}</Mobile><Message>{escape(send.message)}</Message></Send>"
        for send in sends
    )
    return (
        f"<Data>{_who(credentials)}<Shortcode>{escape(shortcode)}</Shortcode>"
        f"<Json>true</Json><Sync>true</Sync><Sends>{each}</Sends></Data>"
    ).encode()


def status_path(credentials: Credentials, mobile: str) -> str:
    """Which lists a number has opted in to. It holds the credentials: never log it."""
    query = urlencode(
        {
            "ev": "optinStatus",
            "type": "optin",
            "user": credentials.user,
            "api_id": credentials.api_id,
            "mobile": mobile.removeprefix("+"),
        }
    )
    return f"/limeApi?{query}"


def _who(credentials: Credentials) -> str:
    return f"<User>{escape(credentials.user)}</User><ApiId>{escape(credentials.api_id)}</ApiId>"

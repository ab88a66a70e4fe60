"""Requests to send, in each of the forms the provider takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import orjson

from apps.sandbox.lime.errors import (
    GENERAL,
    MESSAGE_EMPTY,
    MOBILE_EMPTY,
    NUMBER_ERROR,
    LimeError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.wire import Request

MAX_TEXTS = 1000
_TRUE = frozenset({"true", "1", "yes"})
# Nearly all requests look like this. Read this way they cost a third of what a parser takes, and
# whatever looks different (entities, attributes, other alphabets) goes to the parser.
_PLAIN_BYTES = 2048
_PLAIN_XML = re.compile(
    rb"(?:<\?xml[^<>]*\?>\s*)?<Data>"
    rb"(?:<(\w+)>[ -%'-;=-~]*</\1>|<Mobiles><Mobile>[+0-9]*</Mobile></Mobiles>|\s)*"
    rb"</Data>\s*"
)
_LEAF = re.compile(r"<(\w+)>([^<]*)</\1>")
# Nearly all for one text to one number differ in these two alone: the rest is read once.
_ONE_TEXT = re.compile(
    rb"(<Data>[^&]*?)<Message>([ -%'-;=-~]*)</Message>"
    rb"<Mobiles><Mobile>(\+?[0-9]+)</Mobile></Mobiles>([^&]*</Data>)"
)


@dataclass(slots=True)
class Sending:
    """What a request asks to send."""

    user: str
    api_id: str
    texts: list[tuple[str, str]]
    """Number, as given, and message; at most 1,000."""
    shortcode: str
    json: bool
    sync: bool
    bulk: bool
    problem: LimeError | None = None
    """What is wrong with what it asks for; told only after it is known whether JSON is wanted."""
    ignored: int = 0
    """Texts of a bulk call beyond the first 1,000: nobody is told."""

    @property
    def lists_refused(self) -> bool:
        """Whether the answer names the refused numbers."""
        return self.json and (self.sync if self.bulk else len(self.texts) > 1)


@lru_cache(maxsize=256)  # of posts, they are nearly always the same
def query_fields(query: str) -> dict[str, list[str]]:
    """The query's values by lower-case name without underscores; not to be changed."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(_plain(name), []).append(value)
    return found


def read_single(request: Request) -> Sending:
    """One text to up to 1,000 numbers, from XML, JSON or the query.

    Raises LimeError where the body cannot be read.
    """
    if (plain := _read_plain(request)) is not None:
        return plain
    query = query_fields(request.query)
    fields: Mapping[str, list[Any]] = _fields(request) if request.body else query
    sending = _sending(fields, query, bulk=False)
    mobiles = _mobiles(fields)
    message = _one(fields, "message")
    if not mobiles:
        sending.problem = LimeError(MOBILE_EMPTY)
    elif not message.strip():
        sending.problem = LimeError(MESSAGE_EMPTY)
    elif len(mobiles) > MAX_TEXTS:
        sending.problem = LimeError(NUMBER_ERROR, f"At most {MAX_TEXTS} mobile numbers")
    sending.texts = [(mobile, message) for mobile in mobiles]
    return sending


def _read_plain(request: Request) -> Sending | None:
    """One text to one number, where it is written as it nearly always is."""
    if len(request.body) > _PLAIN_BYTES or (found := _ONE_TEXT.fullmatch(request.body)) is None:
        return None
    before, message, mobile, after = found.groups()
    around = _around(before + after, request.query)
    if around is None or not message.strip():
        return None
    texts = [(mobile.decode(), message.decode())]
    return Sending(
        around.user, around.api_id, texts, around.shortcode, around.json, around.sync, bulk=False
    )


@lru_cache(maxsize=256)
def _around(body: bytes, query: str) -> Sending | None:
    """What requests say besides text and number; None where they name another of these."""
    if not _PLAIN_XML.fullmatch(body):
        return None
    fields = _plain_fields(body)
    if not fields.keys().isdisjoint({"message", "mobile", "mobiles"}):
        return None
    return _sending(fields, query_fields(query), bulk=False)


def read_bulk(request: Request) -> Sending:
    """Texts of their own for up to 1,000 numbers; what comes after these is ignored.

    Raises LimeError where the body cannot be read.
    """
    fields = _fields(request)
    sending = _sending(fields, query_fields(request.query), bulk=True)
    pairs = _sends(fields)
    if not pairs:
        sending.problem = LimeError(MOBILE_EMPTY)
    sending.ignored = max(0, len(pairs) - MAX_TEXTS)
    sending.texts = pairs[:MAX_TEXTS]
    return sending


def _sending(
    fields: Mapping[str, list[Any]], query: Mapping[str, list[str]], *, bulk: bool
) -> Sending:
    return Sending(
        user=_one(fields, "user") or _one(query, "user"),
        api_id=_one(fields, "apiid") or _one(query, "apiid"),
        texts=[],
        shortcode=_one(fields, "shortcode"),
        json=(_one(fields, "json") or _one(query, "json")).lower() in _TRUE,
        sync=_one(fields, "sync").lower() in _TRUE,
        bulk=bulk,
    )


@lru_cache(maxsize=256)
def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _one(fields: Mapping[str, list[Any]], name: str) -> str:
    values = fields.get(name)
    return str(values[0]).strip() if values and values[0] is not None else ""


def _fields(request: Request) -> dict[str, list[Any]]:
    """The children of <Data>, or the members of the JSON object, by plain name."""
    body = request.body.lstrip()
    if body.startswith(b"{"):
        return _json_fields(body)
    if len(body) <= _PLAIN_BYTES and _PLAIN_XML.fullmatch(body):
        return _plain_fields(body)
    try:
        root = ET.fromstring(body)  # noqa: S314 - loopback, from the client under test
    except ET.ParseError as error:
        raise LimeError(GENERAL, f"The XML cannot be read: {error}") from error
    found: dict[str, list[Any]] = {}
    for child in root:
        found.setdefault(_plain(child.tag), []).append(child if len(child) else child.text)
    return found


def _plain_fields(body: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, value in _LEAF.findall(body.decode()):
        found.setdefault(_plain(name), []).append(value)
    return found


def _json_fields(body: bytes) -> dict[str, list[Any]]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LimeError(GENERAL, f"The JSON cannot be read: {error}") from error
    inner = document.get("Data", document)
    if not isinstance(inner, dict):
        raise LimeError(GENERAL, "Data needs to be an object")
    return {
        _plain(name): value if isinstance(value, list) else [value]
        for name, value in inner.items()
        if value is not None
    }


def _mobiles(fields: Mapping[str, list[Any]]) -> list[str]:
    found: list[str] = []
    for value in [*fields.get("mobile", []), *fields.get("mobiles", [])]:
        found += [part.strip() for text in _texts(value) for part in text.split(",")]
    return [mobile for mobile in found if mobile]


def _texts(value: Any) -> list[str]:
    """The texts in <Mobiles>, whether it holds elements, a list, an object or one text."""
    if isinstance(value, ET.Element):
        return [child.text or "" for child in value]
    if isinstance(value, dict):
        inner = value.get("Mobile", [])
        return [str(one) for one in (inner if isinstance(inner, list) else [inner])]
    return [str(value)] if value is not None else []


def _sends(fields: Mapping[str, list[Any]]) -> list[tuple[str, str]]:
    """Number and message of each <Send>."""
    pairs = []
    for value in fields.get("sends", []):
        if isinstance(value, ET.Element):
            pairs += [
                (send.findtext("Mobile") or "", send.findtext("Message") or "") for send in value
            ]
        elif isinstance(value, dict):
            sends = value.get("Send", [value])
            pairs += [_pair(send) for send in (sends if isinstance(sends, list) else [sends])]
    return pairs


def _pair(send: Any) -> tuple[str, str]:
    if not isinstance(send, dict):
        raise LimeError(GENERAL, "Each Send needs to be an object")
    return str(send.get("Mobile") or ""), str(send.get("Message") or "")

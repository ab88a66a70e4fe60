"""What the provider checks in a message before it accepts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from apps.sandbox.resend.addresses import as_list, bare, bare_sender, domain_of
from apps.sandbox.resend.errors import forbidden, invalid, missing_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apps.sandbox.resend.domains import Domains

MAX_RECIPIENTS = 50
MAX_TAG_CHARACTERS = 256
_TAG = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TAG_CHARACTERS}}}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_BREAK = re.compile(r"[\r\n]")
_FORMAT = "The email address needs to follow the `email@example.com` or `Name <email@example.com>`"


@dataclass(frozen=True, slots=True)
class Checked:
    """A message that may be accepted, with what was read out of it."""

    message: dict[str, Any]
    index: int | None
    """Its place in the batch; None for a single mail."""
    to: list[str]
    """The bare addresses of `to`."""
    recipients: int
    """to, cc and bcc together: what counts against the quotas."""


def check(message: object, *, index: int | None, scheduled_allowed: bool) -> Checked:
    """Check one message, alone (`index` None) or in a batch.

    Raises:
        ApiError: 422 with the name of the field and what it needs to be.
    """
    if not isinstance(message, dict):
        raise invalid("Each email needs to be a JSON object")
    to = _addresses(message, "to")
    if not to:
        raise missing_field("`to`")
    _sender(message)
    _texts(message)
    copies = len(_addresses(message, "cc")) + len(_addresses(message, "bcc"))
    _addresses(message, "reply_to")
    _tags(message.get("tags"))
    _headers(message.get("headers"))
    if index is not None and message.get("attachments"):
        raise invalid("The `attachments` field is not supported in a batch")
    _schedule(message.get("scheduled_at"), allowed=scheduled_allowed)
    return Checked(message, index, to, len(to) + copies)


def check_sender_domains(checked: Iterable[Checked], domains: Domains) -> None:
    """Raise the 403 of a sender whose domain is not verified."""
    for sender in {item.message["from"] for item in checked}:
        domain = domain_of(bare_sender(sender) or "")
        if not domains.is_verified(domain):
            raise forbidden(
                f"The {domain} domain is not verified. "
                "Please, add and verify your domain on https://resend.com/domains"
            )


def _addresses(message: Mapping[str, Any], field: str) -> list[str]:
    if not message.get(field):
        return []
    given = as_list(message[field])
    if len(given) > MAX_RECIPIENTS:
        raise invalid(f"The `{field}` field must not have more than {MAX_RECIPIENTS} addresses")
    return [_address(item, field) for item in given]


def _address(given: object, field: str) -> str:
    address = bare(given) if isinstance(given, str) else None
    if address is None:
        raise invalid(f"Invalid `{field}` field. {_FORMAT} format")
    return address


def _sender(message: Mapping[str, Any]) -> None:
    sender = message.get("from")
    if not sender:
        raise missing_field("`from`")
    if not isinstance(sender, str) or bare_sender(sender) is None:
        raise invalid(f"Invalid `from` field. {_FORMAT} format")


def _texts(message: Mapping[str, Any]) -> None:
    for field in ("subject", "html", "text"):
        if message.get(field) is not None and not isinstance(message[field], str):
            raise invalid(f"Invalid `{field}` field. It needs to be a string")
    if not message.get("subject"):
        raise missing_field("`subject`")
    if _LINE_BREAK.search(message["subject"]):
        raise invalid("Invalid `subject` field. It needs to be a single line")
    if not message.get("html") and not message.get("text"):
        raise missing_field("`html` or `text`")


def _tags(tags: object) -> None:
    if tags is None:
        return
    if not isinstance(tags, list):
        raise invalid("Invalid `tags` field. It needs to be a list of {name, value}")
    for tag in tags:
        if not isinstance(tag, dict) or "name" not in tag:
            raise invalid("Invalid `tags` field. Each tag needs a name and a value")
        _tag_part(tag["name"])
        _tag_part(tag.get("value", "-"))


def _tag_part(part: object) -> None:
    if not isinstance(part, str) or not _TAG.fullmatch(part):
        raise invalid(
            "Tags should only contain ASCII letters, numbers, underscores, or dashes, "
            f"and have 1 to {MAX_TAG_CHARACTERS} characters"
        )


def _headers(headers: object) -> None:
    if headers is None:
        return
    if not isinstance(headers, dict):
        raise invalid("Invalid `headers` field. It needs to be an object")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise invalid(f"Invalid `headers` field. {name!r} is not a header name")
        if not isinstance(value, str) or _LINE_BREAK.search(value):
            raise invalid(f"Invalid `headers` field. {name} needs to be a single line of text")


def _schedule(scheduled_at: object, *, allowed: bool) -> None:
    if scheduled_at is None:
        return
    if not allowed:
        raise invalid("The `scheduled_at` field is not supported in a batch")
    if scheduled_time(scheduled_at) is None:
        raise invalid("Invalid `scheduled_at` field. It needs to be an ISO 8601 time with a zone")


def scheduled_time(scheduled_at: object) -> float | None:
    """The Unix time meant by `scheduled_at`; None where it is no ISO 8601 time with a zone."""
    try:
        parsed = datetime.fromisoformat(str(scheduled_at))
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None

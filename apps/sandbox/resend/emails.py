"""Sending and reading mails: `/emails` and `/emails/batch`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from apps.sandbox.resend.addresses import as_list
from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.errors import Answer, ApiError, invalid
from apps.sandbox.resend.events import last_event
from apps.sandbox.resend.pages import page, rest_time
from apps.sandbox.resend.validation import Checked, check, check_sender_domains

if TYPE_CHECKING:
    from apps.sandbox.resend.mailbox import Email

MAX_BATCH = 100
DEFAULT_PAGE = 20


def send_email(call: Call) -> Answer:
    call.messages = 1
    checked = check(call.json_object(), index=None, scheduled_allowed=True)
    check_sender_domains([checked], call.account.domains)
    return json_answer({"id": call.accept([checked])[0]})


def send_batch(call: Call) -> Answer:
    """Strict: one bad item refuses all. Permissive: the good ones go, the bad ones are named.

    An unverified sender refuses the whole batch in both modes: it is a fault of the account.
    """
    messages = _batch(call)
    permissive = _is_permissive(call.request.headers.get("x-batch-validation"))
    good, errors = _sort_out(messages, call, permissive=permissive)
    check_sender_domains(good, call.account.domains)
    ids = call.accept(good) if good else []
    document: dict[str, Any] = {"data": [{"id": email_id} for email_id in ids]}
    if permissive:
        document["errors"] = errors
    return json_answer(document)


def _batch(call: Call) -> list[object]:
    messages = call.json()
    if not isinstance(messages, list):
        raise invalid("The request body needs to be a JSON array of emails")
    call.messages = len(messages)
    if not 1 <= len(messages) <= MAX_BATCH:
        raise invalid(f"A batch needs to have 1 to {MAX_BATCH} emails, not {len(messages)}")
    return messages


def _is_permissive(header: str | None) -> bool:
    if header not in (None, "strict", "permissive"):
        raise invalid("The `x-batch-validation` header needs to be strict or permissive")
    return header == "permissive"


def _sort_out(
    messages: list[object], call: Call, *, permissive: bool
) -> tuple[list[Checked], list[dict[str, Any]]]:
    good: list[Checked] = []
    errors: list[dict[str, Any]] = []
    scheduled_allowed = call.settings.batch_scheduled_at
    for index, message in enumerate(messages):
        try:
            good.append(check(message, index=index, scheduled_allowed=scheduled_allowed))
        except ApiError as error:
            if not permissive:
                text = f"Email at index {index}: {error.message}"
                raise ApiError(error.status, error.name, text) from error
            errors.append({"index": index, "message": error.message})
    return good, errors


def list_emails(call: Call) -> Answer:
    emails = call.account.mailbox.newest_first()

    def present(email: Email) -> dict[str, Any]:
        return _summary(email, call)

    return page(call.request.query, emails, present=present, default_limit=DEFAULT_PAGE)


def get_email(call: Call) -> Answer:
    email = call.account.mailbox.find(call.parameter)
    message = email.message
    details = {"html": message.get("html"), "text": message.get("text")}
    return json_answer({"object": "email", **_summary(email, call), **details, **_tags(message)})


def _summary(email: Email, call: Call) -> dict[str, Any]:
    message = email.message
    return {
        "id": email.id,
        "message_id": email.message_id,
        "to": as_list(message["to"]),
        "from": message["from"],
        "created_at": rest_time(email.accepted_at),
        "subject": message["subject"],
        "bcc": as_list(message.get("bcc")),
        "cc": as_list(message.get("cc")),
        "reply_to": as_list(message.get("reply_to")),
        "last_event": last_event(email, call.settings, now=time.time()),
        "scheduled_at": message.get("scheduled_at"),
    }


def _tags(message: dict[str, Any]) -> dict[str, Any]:
    return {"tags": message["tags"]} if message.get("tags") else {}

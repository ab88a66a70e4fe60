"""The client of one Resend account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import resend

from apps.mail.resend.answers import (
    AnswerMismatchError,
    BatchAccepted,
    RateLimit,
    RetrievedEmail,
    match_ids,
)
from apps.mail.resend.contacts import ContactCalls
from apps.mail.resend.errors import AccountRefused, CallFacts, SurelyNotSent
from apps.mail.resend.judging import note_call, run
from apps.mail.resend.sdk_bridge import SdkCall
from apps.queues import outbound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.queues.outbound import Answer

LARGEST_BATCH = 100
_PAGE = 100
_MOST_PAGES = 100
_NOT_FOUND = 404
_KEY = re.compile(r"[\x21-\x7e]{1,256}")
_API_KEY = re.compile(r"[\x21-\x7e]{1,512}")
_EMAIL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class ResendClient:
    """Calls the provider once per method; repeating is the caller's business. Safe for threads.

    Timeouts are in seconds: opening a connection, the longest silence, the whole call. Every
    failure is a `ResendFailure` whose class says what to do. A call that leaves must have a slot
    of the account's limiter.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        total_timeout_s: float,
    ) -> None:
        if not _API_KEY.fullmatch(api_key):
            raise ValueError("api_key must be 1 to 512 printable ASCII characters without spaces")
        self._authorization = f"Bearer {api_key}"
        self._transport = outbound.Transport(
            base_url,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            total_timeout_s=total_timeout_s,
        )

        self.contacts = ContactCalls(self._transport, self._authorization)

    def send_batch(
        self, body: bytes, idempotency_key: str, *, size: int, leave_by: float | None = None
    ) -> BatchAccepted:
        """Post a sealed batch as it is, under permissive validation.

        `body` is a JSON array of `size` messages (1-100), `idempotency_key` 1-256 printable ASCII
        characters. `leave_by` is the slot's: a request that cannot begin to leave by then fails
        as `SurelyNotSent`, named `late`.
        """
        _check_batch(body, idempotency_key, size)
        call = self._call(body=body, leave_by=leave_by)
        options: resend.Batch.SendOptions = {
            "idempotency_key": idempotency_key,
            "batch_validation": "permissive",
        }
        return run(
            "send_batch",
            call,
            lambda: resend.Batch.send([], options),
            lambda answer, found: _accepted(answer, found, size),
        )

    def verified_domains(self) -> dict[str, str]:
        """The status of each sending domain by name; only `verified` ones may send."""
        return {
            str(domain["name"]).lower(): str(domain.get("status", ""))
            for page in self._domain_pages()
            for domain in page
        }

    def get_email(self, email_id: str) -> RetrievedEmail | None:
        """What the provider knows of an email, by its id; None where it knows none."""
        if not _EMAIL_ID.fullmatch(email_id):
            raise ValueError("email_id must be 1 to 128 letters, digits, - and _")
        try:
            return run("get_email", self._call(), lambda: resend.Emails.get(email_id), _retrieved)
        except AccountRefused as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise

    def connect_ahead(self) -> None:
        """Open a connection while a slot is still to come, so that the request leaves at once.

        Raises `SurelyNotSent`.
        """
        try:
            self._transport.connect_ahead()
        except outbound.NotSent as failure:
            facts = CallFacts(name=failure.reason, latency_ms=failure.latency_ms)
            note_call("connect", SurelyNotSent.__name__, facts)
            raise SurelyNotSent(facts) from failure

    def close(self) -> None:
        self._transport.close()

    def _call(self, *, body: bytes | None = None, leave_by: float | None = None) -> SdkCall:
        return SdkCall(self._transport, self._authorization, body=body, leave_by=leave_by)

    def _domain_pages(self) -> Iterator[list[dict[str, Any]]]:
        params: resend.Domains.ListParams = {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            page, has_more = self._domain_page(params)
            yield page
            if not has_more or not page or page[-1].get("id") == params.get("after"):
                return
            params = {"limit": _PAGE, "after": str(page[-1]["id"])}

    def _domain_page(self, params: resend.Domains.ListParams) -> tuple[list[dict[str, Any]], bool]:
        return run(
            "verified_domains",
            self._call(),
            lambda: resend.Domains.list(params),
            lambda _, found: _listed(found),
        )


def _accepted(answer: Answer, found: object, size: int) -> BatchAccepted:
    ids, errors = match_ids(found, size=size)
    rate = RateLimit.from_headers(answer.headers)
    return BatchAccepted(ids=ids, errors=errors, rate=rate, latency_ms=answer.latency_ms)


def _retrieved(answer: Answer, found: object) -> RetrievedEmail:
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise AnswerMismatchError("unreadable")
    return RetrievedEmail(
        id=found["id"],
        last_event=str(found.get("last_event") or ""),
        rate=RateLimit.from_headers(answer.headers),
        latency_ms=answer.latency_ms,
    )


def _listed(found: object) -> tuple[list[dict[str, Any]], bool]:
    items = found.get("data") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(items, list):
        raise AnswerMismatchError("unreadable")
    if not all(isinstance(item, dict) and "id" in item and "name" in item for item in items):
        raise AnswerMismatchError("unreadable")
    return items, bool(found.get("has_more"))


def _check_batch(body: bytes, idempotency_key: str, size: int) -> None:
    if not 1 <= size <= LARGEST_BATCH:
        raise ValueError(f"size is {size}; a batch has 1 to {LARGEST_BATCH} messages")
    if not _KEY.fullmatch(idempotency_key):
        raise ValueError("idempotency_key must be 1 to 256 printable ASCII characters")
    if body[:1] != b"[":
        raise ValueError("body must be the bytes of a JSON array")

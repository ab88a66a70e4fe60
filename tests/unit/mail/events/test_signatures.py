"""Whether the provider signed these bytes; compared with the official SDK's verdict."""

from __future__ import annotations

import base64
import secrets

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from resend import Webhooks

from apps.mail.events.errors import (
    InvalidSignatureError,
    MissingSignatureError,
    StaleTimestampError,
    WebhookRefusedError,
)
from apps.mail.events.signatures import TOLERANCE_SECONDS, SvixHeaders, verify
from apps.sandbox.resend.webhooks import sign

NOW = 1_800_000_000
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(24)).decode()
BODY = b'{"type":"email.sent"}'


def signed(
    body: bytes = BODY, *, secret: str = SECRET, event_id: str = "msg_1", at: int = NOW
) -> SvixHeaders:
    signature = sign(secret, message_id=event_id, timestamp=at, body=body)
    return SvixHeaders(event_id, str(at), signature)


def changed(headers: SvixHeaders, **fields: str) -> SvixHeaders:
    return SvixHeaders(**{**headers.__dict__, **fields})


def test_signed_bytes_are_accepted() -> None:
    verify(BODY, signed(), secrets=[SECRET], now=NOW)


def test_bytes_that_are_no_text_are_accepted_when_signed() -> None:
    verify(b"\xff\x00{", signed(b"\xff\x00{"), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_while_secrets_rotate_both_are_valid(secret: str) -> None:
    verify(BODY, signed(secret=secret), secrets=[SECRET, OTHER], now=NOW)


def test_one_of_several_signatures_is_enough() -> None:
    both = f"{signed(secret=OTHER).signature} {signed().signature}"

    verify(BODY, changed(signed(), signature=both), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "headers",
    [
        signed(secret=OTHER),
        changed(signed(), event_id="msg_2"),
        changed(signed(), timestamp=str(NOW + 1)),
        changed(signed(), signature="v1,"),
        changed(signed(), signature="v1,not base64"),
        changed(signed(), signature=signed().signature.replace("v1,", "v2,")),
        changed(signed(), signature=signed().signature.removeprefix("v1,")),
        changed(signed(), signature=signed().signature[:-4]),
        changed(signed(), signature="ünïcode"),
        changed(signed(), timestamp="now"),
        changed(signed(), timestamp="-1"),
        changed(signed(), timestamp="9" * 400),
        changed(signed(), timestamp="１８００００００００"),  # noqa: RUF001 - digits that int() reads
        signed(event_id="x" * 129),
        signed(event_id="msg 1"),
        signed(event_id="msg\x00"),
    ],
    ids=lambda headers: repr(headers)[:60],
)
def test_anything_else_is_refused(headers: SvixHeaders) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(BODY, headers, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b" ", b"", BODY.replace(b"sent", b"lost")])
def test_changed_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(body, signed(), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("useless", ["", "whsec_", "whsec_not base64", "ü"])
def test_secret_that_is_missing_or_unreadable_verifies_nothing(useless: str) -> None:
    forged = signed(secret="")  # what anybody can compute

    with pytest.raises(InvalidSignatureError):
        verify(BODY, forged, secrets=[useless], now=NOW)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_clocks_may_differ_by_the_tolerance(seconds: int) -> None:
    verify(BODY, signed(at=NOW + seconds), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_replayed_delivery_is_refused(seconds: int) -> None:
    with pytest.raises(StaleTimestampError):
        verify(BODY, signed(at=NOW + seconds), secrets=[SECRET], now=NOW)


def test_only_who_knows_the_secret_is_told_about_the_clock() -> None:
    with pytest.raises(InvalidSignatureError):
        verify(BODY, signed(secret=OTHER, at=NOW - 1000), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("missing", ["svix-id", "svix-timestamp", "svix-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_every_header_is_needed(missing: str, value: str | None) -> None:
    headers = {"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,x"}
    headers.pop(missing)
    if value is not None:
        headers[missing] = value

    with pytest.raises(MissingSignatureError):
        SvixHeaders.of(headers)


def ours(body: bytes, headers: SvixHeaders) -> bool:
    try:
        verify(body, headers, secrets=[SECRET], now=NOW)
    except WebhookRefusedError:
        return False
    return True


def the_sdks(body: bytes, headers: SvixHeaders) -> bool:
    try:
        with time_machine.travel(NOW, tick=False):
            Webhooks.verify(
                {
                    "payload": body.decode(),
                    "headers": {
                        "id": headers.event_id,
                        "timestamp": headers.timestamp,
                        "signature": headers.signature,
                    },
                    "webhook_secret": SECRET,
                }
            )
    except ValueError:
        return False
    return True


@given(
    at=st.integers(NOW - 400, NOW + 400),
    secret=st.sampled_from([SECRET, SECRET, OTHER]),
    event_id=st.from_regex(r"[!-~]{1,128}", fullmatch=True),
    tampered=st.sampled_from([b"", b" ", b"\n"]),
    extra=st.lists(st.from_regex(r"v[12],[A-Za-z0-9+/=]{0,44}", fullmatch=True), max_size=3),
)
def test_verdict_is_that_of_the_official_sdk(
    at: int, secret: str, event_id: str, tampered: bytes, extra: list[str]
) -> None:
    headers = signed(secret=secret, event_id=event_id, at=at)
    headers = changed(headers, signature=" ".join([*extra, headers.signature]))

    assert ours(BODY + tampered, headers) == the_sdks(BODY + tampered, headers)


def test_random_signatures_are_refused() -> None:
    for _ in range(200):
        guess = "v1," + base64.b64encode(secrets.token_bytes(32)).decode()
        assert not ours(BODY, changed(signed(), signature=guess))

from __future__ import annotations

import time

import pytest
import resend

from apps.sandbox.resend.webhooks import sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"type":"email.sent","data":{"subject":"Zo\xc3\xab"}}'


def verify(signature: str, *, timestamp: int, secret: str = SECRET) -> None:
    headers = {"id": "msg_1", "timestamp": str(timestamp), "signature": signature}
    resend.Webhooks.verify(
        {"payload": BODY.decode(), "headers": headers, "webhook_secret": secret}  # type: ignore[typeddict-item]  # a plain dict of its headers
    )


def test_signature_verifies_with_the_official_sdk() -> None:
    now = int(time.time())

    verify(sign(SECRET, message_id="msg_1", timestamp=now, body=BODY), timestamp=now)


def test_signature_of_another_secret_does_not_verify() -> None:
    now = int(time.time())

    with pytest.raises(ValueError, match="no matching signature"):
        verify(sign("whsec_AAAA", message_id="msg_1", timestamp=now, body=BODY), timestamp=now)


def test_signature_known_from_the_svix_documentation() -> None:
    body = b'{"test": 2432232314}'

    signature = sign(
        SECRET, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

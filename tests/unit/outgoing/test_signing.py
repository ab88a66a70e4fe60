"""Against the standard's published example, and a library that somebody else wrote."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

import pytest
import resend
from django.conf import settings

from apps.station.outgoing.signing import make_secret, sign

# The example of the standard's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
EXAMPLE_AT = 1614265330
EXAMPLE_BODY = b'{"test": 2432232314}'
EXAMPLE_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def verify(body: bytes, headers: dict[str, str], secret: str) -> None:
    """By the provider's SDK, which names the same headers otherwise."""
    found = {name: headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}
    resend.Webhooks.verify(
        {"payload": body.decode(), "headers": found, "webhook_secret": secret}  # type: ignore[typeddict-item]  # a plain dict of its headers
    )


def test_signature_is_that_of_the_published_example() -> None:
    headers = sign(EXAMPLE_BODY, webhook_id=EXAMPLE_ID, timestamp=EXAMPLE_AT, keys=[SECRET])

    assert headers == {
        "webhook-id": EXAMPLE_ID,
        "webhook-timestamp": str(EXAMPLE_AT),
        "webhook-signature": EXAMPLE_SIGNATURE,
    }


def test_signature_is_accepted_by_a_library_of_somebody_elses() -> None:
    secret = make_secret()
    body = b'{"type": "ping"}'

    headers = sign(body, webhook_id="evt_1", timestamp=int(time.time()), keys=[secret])

    verify(body, headers, secret)
    with pytest.raises(ValueError, match="signature"):
        verify(body + b" ", headers, secret)


def test_either_of_two_secrets_verifies() -> None:
    new, old, other = make_secret(), make_secret(), make_secret()

    headers = sign(b"{}", webhook_id="evt_1", timestamp=int(time.time()), keys=[new, old])

    verify(b"{}", headers, new)
    verify(b"{}", headers, old)
    with pytest.raises(ValueError, match="signature"):
        verify(b"{}", headers, other)


def test_made_secret_has_as_many_bytes_as_the_standard_asks_for() -> None:
    secret = make_secret()

    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret[6:])) <= 64
    assert secret != make_secret()


def test_example_for_receivers_in_the_documentation_verifies() -> None:
    document = (settings.BASE_DIR / "docs/webhooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - what we tell others to run
    new, old = make_secret(), make_secret()
    now = int(time.time())

    headers = sign(b'{"a": 1}', webhook_id="evt_1", timestamp=now, keys=[new, old])
    stale = sign(b'{"a": 1}', webhook_id="evt_1", timestamp=now - 301, keys=[new])

    assert names["verify"](new, headers, b'{"a": 1}')
    assert names["verify"](old, headers, b'{"a": 1}')
    assert not names["verify"](make_secret(), headers, b'{"a": 1}')
    assert not names["verify"](new, headers, b'{"a": 2}')
    assert not names["verify"](new, stale, b'{"a": 1}')

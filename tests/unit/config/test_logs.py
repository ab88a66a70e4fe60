from __future__ import annotations

import pytest

from config.logs import hide_tokens


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Not Found: /unsubscribe/AbC-123_x/", "Not Found: /unsubscribe/…/"),
        ("POST /webhooks/resend/t0k3n", "POST /webhooks/resend/…"),
        ("GET /healthz", "GET /healthz"),
    ],
)
def test_tokens_do_not_reach_the_log(written: str, shown: str) -> None:
    line = hide_tokens(None, "warning", {"event": written, "status": 404})

    assert line == {"event": shown, "status": 404}

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from apps.sandbox.resend.acceptance import body_digest, new_ids


def test_new_ids_are_different_version_4_uuids() -> None:
    ids = list(new_ids(500))

    assert len(set(ids)) == 500
    assert all(str(UUID(text)) == text for text in ids)
    assert {UUID(text).version for text in ids} == {4}
    assert {UUID(text).variant for text in ids} == {UUID(int=0x8 << 60).variant}


def test_body_digest_is_over_html_then_text() -> None:
    message = {"html": "<p>Zoë</p>", "text": "Zoë"}

    assert body_digest(message) == sha256("<p>Zoë</p>Zoë".encode()).hexdigest()
    assert body_digest({"text": "Zoë"}) == sha256("Zoë".encode()).hexdigest()
    assert body_digest({"html": "<p>", "text": None}) == sha256(b"<p>").hexdigest()

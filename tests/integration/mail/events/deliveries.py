"""Events as the provider makes and posts them."""

from __future__ import annotations

import base64
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from apps.mail.events.receiving import Event, store
from apps.sandbox.resend.webhooks import sign

if TYPE_CHECKING:
    from django.test import Client

    from apps.brands.models import ProviderAccount
    from apps.mail.models import Message

SECRET = "whsec_" + base64.b64encode(b"the secret in use, 24 B.").decode()
PREVIOUS = "whsec_" + base64.b64encode(b"the secret before that. ").decode()


def body(
    type_: str, message: Message | None = None, *, at: datetime | None = None, **data: Any
) -> bytes:
    """The body of a webhook; about `message`, where there is one."""
    tags: dict[str, Any] = {}
    if message is not None:
        tags = {"mailing": str(message.mailing_id), "message": str(message.pk)}
        data = {"email_id": f"id-{message.pk}", "to": [message.address], **data}
    moment = (at or datetime.now(tz=UTC)).isoformat()
    return orjson.dumps({"type": type_, "created_at": moment, "data": {"tags": tags, **data}})


def post(  # noqa: PLR0913 - everything that a forger may vary
    client: Client,
    account: ProviderAccount,
    content: bytes,
    *,
    event_id: str = "msg_1",
    secret: str = SECRET,
    age_seconds: float = 0,
    slash: str = "/",
) -> Any:
    timestamp = int(time.time() - age_seconds)
    return client.post(
        f"/webhooks/resend/{account.webhook_token}{slash}",
        content,
        content_type="application/json",
        headers={
            "svix-id": event_id,
            "svix-timestamp": str(timestamp),
            "svix-signature": sign(secret, message_id=event_id, timestamp=timestamp, body=content),
        },
    )


def arrive(account: ProviderAccount, content: bytes, *, event_id: str | None = None) -> bool:
    """Stores an event behind the door."""
    fields = orjson.loads(content)
    return store(
        Event(
            account_id=account.pk,
            provider_event_id=event_id or uuid.uuid4().hex,
            type=fields["type"],
            occurred_at=datetime.fromisoformat(fields["created_at"]),
            payload=content.decode(),
        )
    )

"""What an endpoint gets to see of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from apps.sandbox.resend.errors import Answer, compact_json, invalid, malformed_body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from apps.sandbox.resend.acceptance import Acceptance
    from apps.sandbox.resend.accounts import Account
    from apps.sandbox.resend.contacts import Contact
    from apps.sandbox.resend.settings import Settings
    from apps.sandbox.resend.validation import Checked
    from apps.sandbox.wire import Request


@dataclass(slots=True)
class Call:
    """An admitted request of an account. `epoch` is its arrival in Unix seconds."""

    request: Request
    account: Account
    epoch: float
    acceptance: Acceptance
    later: Callable[[float, Callable[[], None]], object]
    """Runs a function after so many seconds."""
    parameters: tuple[str, ...] = ()
    """The variable parts of the path, percent-decoded."""
    key: str | None = None
    """The Idempotency-Key."""
    messages: int = 0
    """How many messages the body holds; set by sending endpoints."""
    accepted: int = 0
    contact: Contact | None = None
    """Whom the call is about; set by the endpoints of contacts."""

    @property
    def parameter(self) -> str:
        """The first variable part of the path."""
        return self.parameters[0] if self.parameters else ""

    @property
    def settings(self) -> Settings:
        return self.account.settings

    def json(self) -> Any:
        try:
            return orjson.loads(self.request.body)
        except orjson.JSONDecodeError as error:
            raise malformed_body() from error

    def json_object(self) -> dict[str, Any]:
        body = self.json()
        if not isinstance(body, dict):
            raise invalid("The request body needs to be a JSON object")
        return body

    def accept(self, checked: Sequence[Checked]) -> list[str]:
        """Accept messages; their ids, in order. Raises 429 where a quota is used up."""
        ids = self.acceptance.accept(self.account, checked, epoch=self.epoch, key=self.key)
        self.accepted += len(ids)
        return ids


def json_answer(document: object, *, status: int = 200) -> Answer:
    return Answer(status, compact_json(document))

"""Lets the official SDK speak through our transport, for several accounts in one process.

The SDK keeps its key, its base URL and its HTTP client in module globals. The HTTP client
installed here takes them from the call in progress instead, which a context variable carries.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import resend
from resend.http_client import HTTPClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apps.queues.outbound import Answer, Transport


T = TypeVar("T")


@dataclass(slots=True)
class SdkCall:
    """One call through the SDK: what it is given, and what came of it."""

    transport: Transport
    authorization: str
    body: bytes | None = None
    """Posted as it is, in place of what the SDK would encode."""
    leave_by: float | None = None
    content_type: str = "application/json"
    """Of the body."""
    answer: Answer | None = None
    failure: Exception | None = None
    """What our side raised. The SDK makes a ResendError of everything; this is the verdict."""

    def run(self, operation: Callable[[], T]) -> T:
        """Run one SDK operation; raises what it raises."""
        install()
        token = _current.set(self)
        try:
            return operation()
        finally:
            _current.reset(token)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], json: object) -> Answer:
        body = self.body
        if body is None and json:
            body = orjson.dumps(json)
        own = {"Authorization": self.authorization}
        if body is not None:
            own["Content-Type"] = self.content_type
        try:
            self.answer = self.transport.request(
                method.upper(), path, headers={**headers, **own}, body=body, leave_by=self.leave_by
            )
        except Exception as failure:
            self.failure = failure
            raise
        return self.answer


_current: ContextVar[SdkCall | None] = ContextVar("resend_call", default=None)


class AccountHTTPClient(HTTPClient):
    """The SDK's way out. Calls that are not ours go the way they went before."""

    def __init__(self, outside: Any) -> None:
        self._outside = outside

    def request(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: dict[str, object] | list[object] | None = None,
        files: dict[str, Any] | None = None,
        data: dict[str, str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        call = _current.get()
        if call is None:
            extras = {"files": files, "data": data}
            given = {name: value for name, value in extras.items() if value is not None}
            return self._outside.request(  # type: ignore[no-any-return]  # its signature, its types
                method=method, url=url, headers=headers, json=json, **given
            )
        answer = call.exchange(method, url.removeprefix(resend.api_url), headers, json)
        return answer.body, answer.status, answer.headers


def install() -> None:
    """Make sure that the SDK speaks through us; anything else would use another key and URL."""
    if not isinstance(resend.default_http_client, AccountHTTPClient):
        resend.default_http_client = AccountHTTPClient(resend.default_http_client)

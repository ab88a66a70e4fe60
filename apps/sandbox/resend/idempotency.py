"""What the provider remembers under an Idempotency-Key."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from apps.sandbox.resend.errors import (
    Answer,
    concurrent_idempotent_requests,
    invalid_idempotency_key,
    invalid_idempotent_request,
)

MAX_KEY_CHARACTERS = 256


@dataclass(slots=True)
class Entry:
    """A key in use: in flight while `answer` is None, then remembered."""

    digest: bytes
    begun_at: float
    answer: Answer | None = None


class IdempotencyKeys:
    """The keys of one account. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def begin(self, key: str, body: bytes, *, now: float, ttl_seconds: float) -> Entry:
        """The entry of this key: a new one, or one with the answer to give again.

        Raises:
            ApiError: 400 for an empty or too long key, 409 while the same request is in flight,
                409 for another body under a remembered key. Bodies must match byte by byte.
        """
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            raise invalid_idempotency_key()
        self._expire(now - ttl_seconds)
        digest = sha256(body).digest()
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(digest, now)
        elif entry.digest != digest:
            raise invalid_idempotent_request()
        elif entry.answer is None:
            raise concurrent_idempotent_requests()
        return entry

    def forget(self, key: str, entry: Entry) -> None:
        """Let the key be used anew; a no-op where it already is."""
        if self._entries.get(key) is entry:
            del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()

    def _expire(self, before: float) -> None:
        # Entries are in the order they began, so the old ones are in front.
        while self._entries:
            entry = next(iter(self._entries.values()))
            if entry.begun_at > before or entry.answer is None:
                break
            self._entries.popitem(last=False)

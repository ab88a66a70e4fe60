"""Whose pages may call without a key: origins by brand, as their joining rules list them."""

from __future__ import annotations

import time
from threading import Lock

from apps.newsletter.models import JoiningRules

# A change is seen by every process within so long.
FRESH_SECONDS = 5.0


class KnownOrigins:
    """All brands' lists, read at most once in `FRESH_SECONDS`: they are few and short."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        self._by_brand: dict[int, frozenset[str]] = {}
        self._good_until = 0.0

    def allows(self, origin: str, *, brand_id: int | None = None) -> bool:
        """Whether the brand lists the origin; without a brand, whether any does."""
        by_brand = self._read()
        if brand_id is not None:
            return origin in by_brand.get(brand_id, frozenset())
        return any(origin in listed for listed in by_brand.values())

    def _read(self) -> dict[int, frozenset[str]]:
        with self._lock:
            if time.monotonic() < self._good_until:
                return self._by_brand
            rows = JoiningRules.objects.exclude(origins=[]).values_list("brand_id", "origins")
            self._by_brand = {brand_id: frozenset(listed) for brand_id, listed in rows}
            self._good_until = time.monotonic() + FRESH_SECONDS
            return self._by_brand


known_origins = KnownOrigins()

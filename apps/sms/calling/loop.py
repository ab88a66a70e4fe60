"""The event loop of a worker process, made after the fork, and its connections to the provider."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import uvloop
from django.conf import settings

from apps.sms.lime import Pool

if TYPE_CHECKING:
    import asyncio

    from apps.sms.lime import Exchange


class Caller:
    """One loop in a thread of its own, and the pool of one base URL in it.

    Safe for threads. It ends with the process: whatever is on its way then is in doubt anyway.
    """

    def __init__(self, base_url: str) -> None:
        self.pool = Pool(
            base_url,
            connect_s=settings.PROVIDER_CONNECT_SECONDS,
            read_s=settings.PROVIDER_READ_SECONDS,
            total_s=settings.PROVIDER_TOTAL_SECONDS,
        )
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="texts-loop", daemon=True)
        self._thread.start()

    def start(self, exchanges: list[Exchange]) -> None:
        """Lets each leave at its instant; `done` of each is called in the loop's thread."""
        self._loop.call_soon_threadsafe(self.pool.start_all, exchanges)

    def close(self) -> None:
        """Ends the connections and the loop; exchanges under way end in doubt."""
        self._loop.call_soon_threadsafe(self.pool.close)
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.05, self._loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()


def process_caller() -> Caller:
    """This process's, for the provider's address as it is set."""
    return _caller(os.getpid(), settings.LIME_API_URL)


@lru_cache(maxsize=4)
def _caller(_pid: int, base_url: str) -> Caller:
    return Caller(base_url)

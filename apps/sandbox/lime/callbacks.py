"""Telling the client's server of opt-ins and opt-outs: unsigned, and tried only once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from apps.sandbox.draws import fraction
from apps.sandbox.outbound import Poster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.lime.settings import Settings

ACTIONS = ("optin", "optout", "optout-all", "update")
LANES = 4
USER_AGENT = "LimeCellular (sandbox)"


@dataclass(slots=True)
class CallbackFigures:
    delivered: int = 0
    failed: int = 0
    """Not answered with 2xx in time; the provider does not try again."""


@dataclass(frozen=True, slots=True)
class Callback:
    method: str
    url: str
    body: bytes
    timeout_seconds: float


class Courier:
    """Makes callbacks when they are due, in no promised order."""

    def __init__(self) -> None:
        self.figures = CallbackFigures()
        self.planned = 0
        self._pending = 0
        self._ready: asyncio.Queue[Callback] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._lanes: list[asyncio.Task[None]] = []

    @property
    def pending(self) -> int:
        return self._pending

    def start(self) -> None:
        self._lanes = [asyncio.create_task(self._run_lane()) for _ in range(LANES)]

    async def stop(self) -> None:
        self.clear()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    def clear(self) -> None:
        """Forget what is planned and counted."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
        self.figures = CallbackFigures()
        self.planned = self._pending = 0

    def plan(self, settings: Settings, fields: Mapping[str, str]) -> None:
        """Tell these fields after the set delay; nothing where no address is set."""
        if settings.callback_url is None:
            return
        self.planned += 1
        callback = _callback(settings, settings.callback_url, fields)
        drawn = fraction(settings.seed, "double", self.planned)
        for _ in range(2 if drawn < settings.callback_duplicates else 1):
            self._later(settings.callback_delay_ms / 1000, callback)

    def _later(self, seconds: float, callback: Callback) -> None:
        self._pending += 1
        timer: asyncio.TimerHandle

        def release() -> None:
            self._timers.discard(timer)
            self._ready.put_nowait(callback)

        timer = asyncio.get_running_loop().call_later(seconds, release)
        self._timers.add(timer)

    async def _run_lane(self) -> None:
        poster = Poster()
        try:
            while True:
                await self._make(poster, await self._ready.get())
        finally:
            poster.close()

    async def _make(self, poster: Poster, callback: Callback) -> None:
        headers = {"user-agent": USER_AGENT}
        if callback.body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        status = await poster.request(
            callback.method,
            callback.url,
            headers=headers,
            body=callback.body,
            timeout_seconds=callback.timeout_seconds,
        )
        self._pending = max(0, self._pending - 1)
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - the 2xx range
            self.figures.delivered += 1
        else:
            self.figures.failed += 1


def _callback(settings: Settings, url: str, fields: Mapping[str, str]) -> Callback:
    encoded = urlencode(fields)
    timeout_seconds = settings.callback_timeout_seconds
    if settings.callback_method == "POST":
        return Callback("POST", url, encoded.encode(), timeout_seconds)
    joint = "&" if "?" in url else "?"
    return Callback("GET", f"{url}{joint}{encoded}", b"", timeout_seconds)

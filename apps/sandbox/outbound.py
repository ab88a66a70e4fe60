"""Requests to one HTTP server over a kept connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


class Poster:
    """One request at a time. Keeps its connection while the address stays the same."""

    def __init__(self) -> None:
        self._address: tuple[str, int] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> int | None:
        """The status of the answer; None where none came in time."""
        return await self.request(
            "POST", url, headers=headers, body=body, timeout_seconds=timeout_seconds
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_seconds: float,
    ) -> int | None:
        """As `post`, with any method."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._request(method, url, headers, body)
        except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError):
            self.close()
            return None

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("latin-1") + body
        address = (str(parts.hostname), parts.port or 80)
        kept = self._streams is not None and self._address == address
        try:
            return await self._exchange(address, request)
        except (OSError, EOFError):
            if not kept:
                raise
            # A server may close a kept connection at any time; a fresh one tells the truth.
            self.close()
            return await self._exchange(address, request)

    async def _exchange(self, address: tuple[str, int], request: bytes) -> int:
        if self._streams is None or self._address != address:
            self.close()
            self._streams = await asyncio.open_connection(*address)
            self._address = address
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, headers = await _read_head(reader)
        keep_alive = await _skip_body(reader, status, headers)
        if not keep_alive or headers.get("connection", "").lower() == "close":
            self.close()
        return status

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = self._address = None


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _skip_body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> bool:
    """Read past the body; whether the connection can be used again."""
    if status in {204, 304}:
        return True
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readline()).partition(b";")[0], 16):
            await reader.readexactly(size + 2)
        while (await reader.readline()).strip():  # trailers, up to the empty line
            pass
        return True
    if "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
        return True
    return False

"""The typed side of `lua/window.lua`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

    from apps.queues.windows.limits import Limits

MICROS = 1_000_000
_SOURCE = (Path(__file__).parent.parent / "lua" / "window.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Wish:
    """Seats wanted in all, in use, and needed at least; turns wanted, and the longest wait."""

    seats: int
    in_use: int
    least: int
    turns: int
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """The state after a call. `first_s` and `now_s` are instants of the broker's clock."""

    is_born: bool
    seats: int
    turns: int
    first_s: float
    wait_s: float
    now_s: float
    workers: int
    frozen_for_s: float
    held_by_others: int


class WindowScript:
    """Runs the script on one account's keys. Raises redis errors as they come."""

    def __init__(self, client: Redis, name: str, worker_id: str) -> None:
        key = f"window:{{{name}}}"  # the braces keep both keys on one node of a cluster
        self._keys = [key, f"{key}:workers"]
        self._worker_id = worker_id
        self._run = client.register_script(_SOURCE)

    def take(self, limits: Limits, wish: Wish) -> Told:
        wait = round(wish.longest_wait_s * MICROS)
        return self._call("take", limits, wish.seats, wish.in_use, wish.least, wish.turns, wait)

    def begin(self, limits: Limits, before: Iterable[tuple[float, int]]) -> Told:
        """`before`: turns taken before the state began, as pairs of their age in seconds."""
        pairs = [number for age, turns in before for number in (round(age * MICROS), turns)]
        return self._call("begin", limits, *pairs)

    def freeze(self, limits: Limits, seconds: float) -> Told:
        return self._call("freeze", limits, round(seconds * MICROS))

    def leave(self, limits: Limits) -> Told:
        return self._call("leave", limits)

    def _call(self, op: str, limits: Limits, *arguments: int) -> Told:
        apart = round(limits.apart_s * MICROS)
        head: list[Any] = [op, self._worker_id, limits.in_flight, apart, limits.per_minute]
        raw = cast(
            "Sequence[bytes | str | int]", self._run(keys=self._keys, args=[*head, *arguments])
        )
        return Told(
            is_born=bool(int(raw[0])),
            seats=int(raw[1]),
            turns=int(raw[2]),
            first_s=int(raw[3]) / MICROS,
            wait_s=int(raw[4]) / MICROS,
            now_s=int(raw[5]) / MICROS,
            workers=int(raw[6]),
            frozen_for_s=int(raw[7]) / MICROS,
            held_by_others=int(raw[8]),
        )

"""The typed side of `lua/limiter.lua`: its arguments and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from apps.queues.limiting.classes import CallClass
from apps.queues.limiting.use import ClassUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from apps.queues.limiting.broker_link import Rejoining

MICROS = 1_000_000
_SOURCE = (Path(__file__).parent.parent / "lua" / "limiter.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Caller:
    """What the script learns about whoever asks; see the head of `limiter.lua`."""

    worker_id: str
    limit: float
    newest_slot_age_s: float | None
    rejoining: Rejoining
    freeze_left_s: float
    pace: float

    def arguments(self, call_class: CallClass) -> list[str | float | int]:
        age = self.newest_slot_age_s
        return [
            self.worker_id,
            self.limit,
            "" if age is None else round(age * MICROS),
            int(self.rejoining),
            round(self.freeze_left_s * MICROS),
            self.pace,
            call_class,
        ]


@dataclass(frozen=True, slots=True)
class Reply:
    """The state after a call. `slot_us` and `previous_us` are instants of the broker's clock."""

    granted: bool
    wait_s: float
    slot_us: int
    previous_us: int
    limit: float
    factor: float
    live_workers: int
    frozen_for_s: float
    ahead_s: float
    per_second: float
    now_us: int
    seat: int | None
    seats: int
    by_class: Mapping[CallClass, ClassUse]

    @classmethod
    def parse(cls, raw: Sequence[bytes | str | int]) -> Reply:
        return cls(
            granted=bool(int(raw[0])),
            wait_s=int(raw[1]) / MICROS,
            slot_us=int(raw[2]),
            previous_us=int(raw[3]),
            limit=float(raw[4]),
            factor=float(raw[5]),
            live_workers=int(raw[6]),
            frozen_for_s=int(raw[7]) / MICROS,
            ahead_s=int(raw[8]) / MICROS,
            per_second=float(raw[9]),
            now_us=int(raw[10]),
            seat=int(raw[11]) if int(raw[11]) >= 0 else None,
            seats=int(raw[12]),
            by_class={
                call_class: ClassUse(float(raw[place]), int(raw[place + 1]))
                for call_class, place in zip(CallClass, range(13, 19, 2), strict=True)
            },
        )


class BrokerScript:
    """Runs the script on one account's keys. Raises redis errors as they come."""

    def __init__(self, client: Redis, account_key: str) -> None:
        # The braces keep all keys of an account on one node of a cluster.
        key = f"limiter:{{{account_key}}}"
        self._keys = [key, f"{key}:workers", f"{key}:seats", f"{key}:held"]
        self._client = client
        self._run = client.register_script(_SOURCE)

    def call(self, op: str, call_class: CallClass, caller: Caller, *arguments: float) -> Reply:
        raw = self._run(keys=self._keys, args=[op, *caller.arguments(call_class), *arguments])
        return Reply.parse(cast("Sequence[bytes | str | int]", raw))

    def frozen_until_us(self) -> int:
        """Instant of the broker's clock; 0 when never frozen."""
        return int(self._client.hget(self._keys[0], "frozen") or 0)

"""The typed side of `lua/breaker.lua`: its arguments and its answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from apps.queues.breaking.standings import Change, Phase, Reply, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from apps.queues.breaking.operations import Operation
    from apps.queues.breaking.rules import Rules

MICROS = 1_000_000
_SOURCE = (Path(__file__).parent.parent / "lua" / "breaker.lua").read_text(encoding="utf-8")


class BreakerScript:
    """Runs the script on one breaker's key. Raises redis errors as they come."""

    def __init__(self, client: Redis, name: str, rules: Rules) -> None:
        self._name = name
        self._key = f"breaker:{{{name}}}"
        self._run = client.register_script(_SOURCE)
        self._rules: list[float] = [
            _micros(rules.window_s),
            rules.least_calls,
            rules.error_share,
            rules.run,
            _micros(rules.quiet_s),
            _micros(rules.hold_s),
            _micros(rules.longest_hold_s),
            _micros(rules.probe_s),
        ]

    def call(self, operation: Operation) -> Reply:
        chance = random.random()  # noqa: S311 - spreading, not secrecy
        arguments: list[str | float] = [
            operation.name,
            operation.token,
            operation.generation,
            operation.calls,
            operation.errors,
            chance,
            *self._rules,
        ]
        raw = self._run(keys=[self._key], args=arguments)
        return self._parse(cast("Sequence[Any]", raw))

    def _parse(self, raw: Sequence[Any]) -> Reply:
        change = _text(raw[2])
        standing = Standing(
            name=self._name,
            phase=Phase(_text(raw[3])),
            held_for_s=int(raw[4]) / MICROS,
            since_s=_age(raw[5]),
            openings=int(raw[6]),
            calls=int(raw[7]),
            errors=int(raw[8]),
            error_run=int(raw[9]),
            last_success_s=_age(raw[10]),
            last_error_s=_age(raw[11]),
            shared=True,
        )
        return Reply(
            admitted=bool(int(raw[0])),
            generation=int(raw[1]),
            change=Change(change) if change else None,
            standing=standing,
        )


def _micros(seconds: float) -> int:
    return round(seconds * MICROS)


def _age(raw: bytes | str) -> float | None:
    micros = int(raw)
    return None if micros < 0 else micros / MICROS


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw

"""How an answer reaches the client, or fails to, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from apps.sandbox.faults import Fault, FaultKind

if TYPE_CHECKING:
    from apps.sandbox.wire import Exchange, Response


class Pauses(Protocol):
    """The settings that say how long a fault lasts which does not say so itself."""

    @property
    def hang_seconds(self) -> float: ...
    @property
    def drip_interval_seconds(self) -> float: ...
    @property
    def delay_seconds(self) -> float: ...


def deliver(exchange: Exchange, response: Response, fault: Fault | None, pauses: Pauses) -> None:
    """End the exchange the way the fault wants it."""
    match fault.kind if fault else None:
        case FaultKind.RESET_BEFORE | FaultKind.RESET_AFTER:
            exchange.reset()
        case FaultKind.TIMEOUT_BEFORE | FaultKind.TIMEOUT_AFTER:
            exchange.hang(seconds=_seconds(fault, pauses.hang_seconds))
        case FaultKind.SLOW_DRIP:
            interval = _seconds(fault, pauses.drip_interval_seconds)
            exchange.drip(response, interval_seconds=interval)
        case FaultKind.TRUNCATED:
            exchange.cut(response)
        case _:
            exchange.answer(response)


def delay_seconds(fault: Fault | None, pauses: Pauses) -> float:
    """How much later than usual this fault answers."""
    if fault is not None and fault.kind is FaultKind.DELAY:
        return _seconds(fault, pauses.delay_seconds)
    return 0.0


def _seconds(fault: Fault | None, default: float) -> float:
    return default if fault is None or fault.seconds is None else fault.seconds

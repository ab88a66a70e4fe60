"""Asking sources that may each fail on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog
from django.db import connection, transaction

from apps.queues.health.reports import UNKNOWN, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A source that takes longer tells nothing: whoever asks for health cannot wait.
SOURCE_SECONDS = 2


class Inquiry:
    """Asks one source after another; remembers which failed, and why, in `warnings`."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def ask(self, name: str, question: Callable[[], T]) -> T | Unknown:
        """The answer, or `UNKNOWN` and a warning."""
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sources still count
            reason = type(error).__name__
            log.warning("health_source_failed", source=name, error=reason)
            self.warnings.append(f"{name} could not be read ({reason})")
            return UNKNOWN

    def ask_database(self, name: str, question: Callable[[], T]) -> T | Unknown:
        """The same, for a question whose failure must not spoil the transaction of the others."""

        def within_savepoint() -> T:
            with transaction.atomic():
                return question()

        return self.ask(name, within_savepoint)


def limit_statements() -> None:
    """No statement of this transaction takes longer than `SOURCE_SECONDS`."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{SOURCE_SECONDS}s'")

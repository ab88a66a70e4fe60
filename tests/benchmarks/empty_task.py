"""The station's Celery application with a task that does nothing."""

from __future__ import annotations

import os

from config.celery import app

EMPTY = "bench.empty"


def empty(**_: object) -> None:
    """Nothing."""


if "BENCH_EMPTY_TASK" in os.environ:
    app.task(name=EMPTY)(empty)

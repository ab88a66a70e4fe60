"""The station's Celery application in a process whose clock is wrong."""

from __future__ import annotations

import os

from config.celery import app  # noqa: F401 - what `celery -A` looks for
from tests.faults.odd_wake_ups import skew

if "FAULT_SKEW_SECONDS" in os.environ:
    skew()

"""One budget of requests per provider account, shared by all workers of all hosts."""

from apps.queues.limiting.broker_link import open_broker
from apps.queues.limiting.classes import CallClass
from apps.queues.limiting.limiter import Limiter
from apps.queues.limiting.slots import Held, HeldReason, Slot
from apps.queues.limiting.use import ClassUse, Use

__all__ = [
    "CallClass",
    "ClassUse",
    "Held",
    "HeldReason",
    "Limiter",
    "Slot",
    "Use",
    "open_broker",
]

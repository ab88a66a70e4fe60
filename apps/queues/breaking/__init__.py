"""Circuit breakers: calls that keep failing are held for a while, then one is tried."""

from apps.queues.breaking.breaker import Breaker
from apps.queues.breaking.permits import Permit
from apps.queues.breaking.rules import Rules
from apps.queues.breaking.standings import Phase, Standing

__all__ = ["Breaker", "Permit", "Phase", "Rules", "Standing"]

"""How many requests a provider account bears at once, how close together, and in any minute."""

from apps.queues.windows.limits import Limits
from apps.queues.windows.window import Turns, Window

__all__ = ["Limits", "Turns", "Window"]

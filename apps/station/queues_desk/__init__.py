"""Queues as operators and machines see them: health, dead letters, alerts, flags."""

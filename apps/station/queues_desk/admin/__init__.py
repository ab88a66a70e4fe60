"""Queues in admin: how they stand, dead letters, alerts, scheduled jobs, flags."""

from apps.station.queues_desk.admin.alerts import AlertAdmin, SchedulePeriodAdmin
from apps.station.queues_desk.admin.flags import SwitchAdmin
from apps.station.queues_desk.admin.letters import DeadLetterAdmin
from apps.station.queues_desk.admin.overview import QueueStandingAdmin

__all__ = [
    "AlertAdmin",
    "DeadLetterAdmin",
    "QueueStandingAdmin",
    "SchedulePeriodAdmin",
    "SwitchAdmin",
]

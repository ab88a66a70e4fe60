"""Celery's settings. Each was measured to matter, or keeps a promise of `docs/adr`."""

from django.conf import settings
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

from apps.queues.registry import QUEUES, TASK_QUEUES
from apps.queues.schedules import beat_schedule as _beat_schedule

_LONGEST_TASK_SECONDS = max(spec.task_seconds for spec in QUEUES.values())

# Ours keeps garbage as dead letters; by name, as it needs models and they are not there yet.
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "apps.queues.transport:Transport"
broker_url = settings.REDIS_URL
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # A task that runs longer than this is started a second time.
    "visibility_timeout": _LONGEST_TASK_SECONDS * 10,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "unacked_restore_interval": 5,
}

result_backend = None
task_ignore_result = True
task_acks_late = True
# Not given back to the queue: a task that kills its process would kill one after the other. The
# row is due again when its lease ends, and `queues.poison` decides about the wake-up.
task_reject_on_worker_lost = False
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = False
worker_hijack_root_logger = False

accept_content = ["json"]
task_serializer = "json"
task_queues = [Queue(str(name), routing_key=str(name)) for name in QUEUES]
task_default_queue = "control"
task_create_missing_queues = False
task_routes = {str(task): {"queue": str(queue)} for task, queue in TASK_QUEUES.items()}
task_annotations = {
    str(task): {"time_limit": QUEUES[queue].task_seconds} for task, queue in TASK_QUEUES.items()
}

beat_schedule = _beat_schedule()
enable_utc = True
timezone = "UTC"

# Read by Celery's Django fix-up under this very name: without it every task opens a new session.
# Connections heal by the check before each task (see `config.celery`) and by their age.
CELERY_DB_REUSE_MAX = 1_000_000

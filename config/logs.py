"""One structured line per event: JSON in production, readable while developing."""

from __future__ import annotations

import logging
import logging.config
import re
from typing import Any

import structlog

from apps.queues.scrubbing import scrub_deeply

# These paths carry a token that lets whoever reads it act for somebody.
_TOKEN_IN_PATH = re.compile(r"(/(?:unsubscribe|webhooks/resend)/)[^/\s\"']+")


def hide_tokens(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Takes the tokens out of every text of a line, whoever wrote it."""
    return {
        name: _TOKEN_IN_PATH.sub(r"\1…", value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def hide_people(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Takes addresses and keys out of what is about to be written, tracebacks included.

    Our own lines hold none; this is for what libraries and databases put into their messages.
    """
    return {name: scrub_deeply(value) for name, value in event.items()}


SHARED_PROCESSORS: list[Any] = [
    hide_tokens,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure_logs(*, level: str, as_json: bool) -> None:
    """Sends the standard library's records and structlog's events through one formatter."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    tail: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # A traceback must be a text before it can be searched for addresses.
        structlog.processors.format_exc_info,
        hide_tokens,
        hide_people,
    ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [*tail, renderer],
                    "foreign_pre_chain": SHARED_PROCESSORS,
                },
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # Connection errors are told by our own events; the libraries repeat them per try.
                "urllib3": {"level": "ERROR"},
                "celery.app.trace": {"level": "WARNING"},
                "django_structlog": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

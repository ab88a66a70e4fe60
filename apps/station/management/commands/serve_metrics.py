"""Metrics of a host on which no web process runs."""

from __future__ import annotations

import signal
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from prometheus_client import CONTENT_TYPE_LATEST

from apps.station.queues_desk import exporting

LOOPBACK = "127.0.0.1"
USUAL_PORT = 9464


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""


def answer(_environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI application; every path is the metrics."""
    try:
        body = exporting.render()
    finally:
        connections.close_all()
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [body]


class Command(BaseCommand):
    help = "Serves the metrics of this host's processes on loopback until it is told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=USUAL_PORT, help="default: %(default)s")

    def handle(self, *_args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with make_server(LOOPBACK, options["port"], answer, handler_class=Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self.stdout.write(f"metrics: http://{LOOPBACK}:{server.server_port}/metrics")
            stop.wait()
            server.shutdown()

"""The webhook of alerts, told through the real transport to a server of the test."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.queues import alerts
from apps.queues.alerts_webhook import TRIES, tell_webhook
from apps.queues.models import Alert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


class Pager:
    """Keeps what it was told; answers `status`."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                pager.told.append(json.loads(body))
                self.send_response(pager.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/page?team=mail"


@pytest.fixture
def pager(settings: Settings) -> Iterator[Pager]:
    pager = Pager()
    thread = threading.Thread(target=pager.server.serve_forever, daemon=True)
    thread.start()
    settings.ALERT_WEBHOOK_URL = pager.url
    yield pager
    pager.server.shutdown()
    pager.server.server_close()
    thread.join()


def raise_one() -> None:
    alerts.raise_alert(
        kind="queue_depth", subject="control", message="6 wait", value=6.0, limit=5.0
    )


def make_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE queues_alert SET tell_at = statement_timestamp() WHERE tell_at IS NOT NULL"
        )


def test_raising_and_clearing_are_told_once_each(pager: Pager) -> None:
    raise_one()
    assert tell_webhook() == 1
    assert tell_webhook() == 0

    alerts.clear_alert(kind="queue_depth", subject="control")
    assert tell_webhook() == 1
    assert tell_webhook() == 0

    raised, cleared = pager.told
    assert (raised["event"], raised["subject"], raised["value"]) == (
        "alert.raised",
        "control",
        6.0,
    )
    assert raised["cleared_at"] is None
    assert cleared["event"] == "alert.cleared"
    assert cleared["id"] == raised["id"]
    assert cleared["cleared_at"] is not None


def test_alert_cleared_before_it_was_told_is_told_twice_in_order(pager: Pager) -> None:
    raise_one()
    alerts.clear_alert(kind="queue_depth", subject="control")

    tell_webhook()

    assert [one["event"] for one in pager.told] == ["alert.raised", "alert.cleared"]


def test_refused_telling_is_tried_again_later(pager: Pager) -> None:
    pager.status = 500
    raise_one()
    assert tell_webhook() == 0
    assert tell_webhook() == 0
    assert len(pager.told) == 1

    pager.status = 204
    make_due()

    assert tell_webhook() == 1
    alert = Alert.objects.get()
    assert (alert.tellings, alert.tell_at) == (0, None)
    assert alert.told_at is not None


def test_telling_is_given_up_after_its_last_try(pager: Pager) -> None:
    pager.status = 500
    raise_one()
    Alert.objects.update(tellings=TRIES - 1)

    tell_webhook()

    assert Alert.objects.get().tell_at is None


def test_nothing_is_told_without_an_address(settings: Settings) -> None:
    settings.ALERT_WEBHOOK_URL = ""
    raise_one()

    assert tell_webhook() == 0
    assert Alert.objects.get().tell_at is None

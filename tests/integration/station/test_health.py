from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError

from apps.station import views

if TYPE_CHECKING:
    from django.test import Client

# Made when the application is installed; the suite asks for no static files.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at:UserWarning")


class GoneConnection:
    """A database that refuses every connection."""

    def cursor(self) -> None:
        raise OperationalError("connection refused: password=secret")


@pytest.mark.django_db
def test_health_is_ok_where_the_database_answers(client: Client) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok"}
    assert "no-store" in answer["Cache-Control"]


def test_health_is_503_without_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "connection", GoneConnection())

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert b"secret" not in answer.content


def test_health_is_read_only(db: None, client: Client) -> None:
    assert client.post("/healthz").status_code == 405

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.sandbox.journal import Journal
from apps.sandbox.resend.accounts import Access, Accounts
from apps.sandbox.resend.server import ResendServer
from apps.sandbox.resend.settings import Settings
from apps.sandbox.wire import Exchange, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FromAfar(Exchange):
    """A request from another address; keeps its answer."""

    def __init__(self, peer: str) -> None:
        self.request = Request("GET", "/_sandbox/stats", "", [], b"", keep_alive=True)
        self.answered: list[Response] = []
        self._peer = peer

    @property
    def peer(self) -> str:
        return self._peer

    def answer(self, response: Response) -> None:
        self.answered.append(response)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ResendServer]:
    accepted, requests = Journal(tmp_path / "accepted"), Journal(tmp_path / "requests")
    accounts = Accounts(Settings(), [("main", "re_main", Access.FULL)])
    contacts = Journal(tmp_path / "contacts.jsonl")
    yield ResendServer(
        Settings(), accounts, accepted=accepted, requests=requests, contacts=contacts
    )
    accepted.close()
    requests.close()
    contacts.close()


@pytest.mark.parametrize(
    ("peer", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403), ("2001:db8::1", 403)]
)
def test_control_api_answers_on_loopback_only(server: ResendServer, peer: str, status: int) -> None:
    exchange = FromAfar(peer)

    server(exchange)

    assert [response.status for response in exchange.answered] == [status]

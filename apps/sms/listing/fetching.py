"""Getting a list from the provider, piece by piece."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings

from apps.queues.limiting import Held
from apps.queues.outbound import OutboundError, Transport
from apps.sms.calling.doors import limits_of, open_window
from apps.sms.listing.errors import ListNotReadError, ListRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.queues.outbound import Download
    from apps.sms.models import OptInList

PIECE_BYTES = 128 * 1024
CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 30.0
LONGEST_WAIT_SECONDS = 60.0
_OK, _TOO_MANY = 200, 429
_WORDS = {
    "deadline": "took longer than it may",
    "timeout": "fell silent",
    "too_large": "is larger than it may be (FLUX_LIST_MAX_BYTES)",
    "truncated": "broke off",
    "encoded": "came compressed, which was not asked for",
}


@contextmanager
def fetch(opt_in_list: OptInList) -> Iterator[Download]:
    """The answer with the list's document, its body still to come.

    Raises ListNotReadError where another try may help, and ListRefusedError where it will not.
    """
    transport = Transport(
        settings.LIME_API_URL,
        connect_timeout_s=CONNECT_SECONDS,
        read_timeout_s=SILENCE_SECONDS,
        total_timeout_s=settings.LIST_SYNC_SECONDS,
        max_answer_bytes=settings.LIST_MAX_BYTES,
    )
    headers = {"Accept": "text/xml", "User-Agent": "flux-station"}
    _await_turn(opt_in_list.account_id)
    try:
        with transport.download(_path(opt_in_list), headers=headers) as answer:
            _check_status(answer.status)
            yield answer
    except OutboundError as failure:
        raise ListNotReadError(
            f"The provider's list {_WORDS.get(failure.reason, 'did not come')} ({failure.reason})."
        ) from failure


def _await_turn(account_id: int) -> None:
    """The list is one request of the account's minute, among the texts."""
    window = open_window(account_id, limits_of(account_id=account_id))
    until = time.monotonic() + LONGEST_WAIT_SECONDS
    try:
        while isinstance(turns := window.take(1, wanted=1), Held):
            if time.monotonic() + turns.retry_in_s > until:
                raise ListNotReadError(
                    "The account's texts left no room for the list within a minute."
                )
            time.sleep(turns.retry_in_s)
        time.sleep(max(0.0, turns.fires_at(0) - time.monotonic()))
    finally:
        window.leave()


def _path(opt_in_list: OptInList) -> str:
    account = opt_in_list.account
    query = {
        "ev": "optedInNumbers",
        "user": account.username,
        "api_id": account.api_key,
        "optInListId": opt_in_list.list_id,
    }
    return f"/limeApi?{urlencode(query)}"


def _check_status(status: int) -> None:
    if status == _OK:
        return
    told = f"The provider answered {status} where the list was asked for."
    if status == _TOO_MANY or status >= 500:  # noqa: PLR2004 - their trouble, which passes
        raise ListNotReadError(told)
    raise ListRefusedError(f"{told} Check the account's user and API id, and the list's id.")

"""The stand-in itself: from a request to what the client gets to see."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from apps.sandbox.control import PREFIX
from apps.sandbox.endings import delay_seconds, deliver
from apps.sandbox.faults import Fault, FaultPlan
from apps.sandbox.lime import control
from apps.sandbox.lime.acceptance import Acceptance
from apps.sandbox.lime.callbacks import Courier
from apps.sandbox.lime.documents import CLAIMED_BYTES, memberships, opted_in
from apps.sandbox.lime.errors import (
    GENERAL,
    OK_TEXT,
    TEXT,
    XML,
    Answer,
    LimeError,
    TooManyRequestsError,
    refusal,
    too_many,
)
from apps.sandbox.lime.figures import Figures, Lines
from apps.sandbox.lime.lists import Lists
from apps.sandbox.lime.membership import Membership, keyword_of, valid
from apps.sandbox.lime.reading import query_fields, read_bulk, read_single
from apps.sandbox.lime.settings import ListFault
from apps.sandbox.lime.spoiling import UNANSWERED, latency_seconds, spoilt
from apps.sandbox.wire import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.sandbox.journal import Journal
    from apps.sandbox.lime.lists import Person
    from apps.sandbox.lime.reading import Sending
    from apps.sandbox.lime.settings import Settings
    from apps.sandbox.lime.users import User, Users
    from apps.sandbox.wire import Exchange, Request

_HALF_WAY_PIECES = 2
_NOT_FOUND = Answer(404, b"Not found", TEXT, "404")


class LimeServer:
    """Answers the provider's API, and the control API under `/_sandbox/`."""

    def __init__(
        self, settings: Settings, users: Users, *, accepted: Journal, requests: Journal
    ) -> None:
        self.initial = self.settings = settings
        self.users = users
        self.faults = FaultPlan()
        self.courier = Courier()
        self.figures = Figures()
        self.lists = Lists()
        self.membership = Membership(self.lists, self.courier)
        self.acceptance = Acceptance(Lines(accepted), self.lists, self.membership, self.figures)
        self.requests = Lines(requests)
        self.count = 0
        """Requests so far; each has its number."""
        # Log times are monotonic at heart: gaps between lines stay true when the clock is set.
        self._epoch_offset = time.time() - time.monotonic()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.courier.start()

    async def stop(self) -> None:
        await self.courier.stop()
        self.acceptance.lines.close()
        self.requests.close()

    def flush(self) -> None:
        """Put on disk what happened in this turn of the loop."""
        self.acceptance.lines.flush()
        self.requests.flush()

    def reset(self) -> None:
        """Forget all that was sent, counted and planned, and empty both logs."""
        for user in self.users:
            user.reset()
        self.faults.reset()
        self.courier.clear()
        self.figures.reset()
        self.lists.clear()
        self.count = 0
        self.acceptance.lines.clear()
        self.requests.clear()

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path.startswith(PREFIX):
            self.flush()
            control.serve(self, exchange)
            return
        self.count += 1
        visit = Visit(exchange, number=self.count, now=time.monotonic())
        self.figures.begin()
        # The provider's base has a path of its own in front; only the call's name matters.
        match path.rpartition("/")[2].lower():
            case "sendsmsapi":
                self._send(visit, bulk=False)
            case "sendbulk":
                self._send(visit, bulk=True)
            case "limeapi":
                self._ask(visit)
            case _:
                self._conclude(visit, _NOT_FOUND)

    # --- Texts --------------------------------------------------------------------------------

    def _send(self, visit: Visit, *, bulk: bool) -> None:
        settings = self.settings
        try:
            sending = read_bulk(visit.request) if bulk else read_single(visit.request)
            visit.json, visit.texts = sending.json, len(sending.texts)
            if sending.problem is not None:
                raise sending.problem
            user = self._admit(visit, sending.user, sending.api_id)
        except (LimeError, TooManyRequestsError) as error:
            self._conclude(visit, self._refusal(error, visit))
            return
        visit.fault = self.faults.draw(
            seed=settings.seed, rates=settings.faults, script=settings.fault_script
        )
        answer = spoilt(partial(self._take, visit, sending, user), visit.fault)
        latency = latency_seconds(settings, visit.number) + delay_seconds(visit.fault, settings)
        self._conclude(visit, answer, latency=latency)

    def _admit(self, visit: Visit, name: str, api_id: str) -> User:
        user = self.users.authenticate(name, api_id)
        user.admit(visit.now, self.settings)
        visit.user = user.name
        return user

    def _take(self, visit: Visit, sending: Sending, user: User) -> Answer:
        before = self.figures.texts
        try:
            return self.acceptance.take(
                sending,
                user,
                self.settings,
                request=visit.number,
                epoch=visit.now + self._epoch_offset,
            )
        except LimeError as error:
            return self._refusal(error, visit)
        finally:
            visit.accepted = self.figures.texts - before

    def _refusal(self, error: LimeError | TooManyRequestsError, visit: Visit) -> Answer:
        if isinstance(error, TooManyRequestsError):
            return too_many(error)
        return refusal(
            error,
            json=visit.json,
            swapped=self.settings.swapped_103_105,
            always_200=self.settings.json_errors_as_200,
        )

    # --- Lists --------------------------------------------------------------------------------

    def _ask(self, visit: Visit) -> None:
        query = {name: values[-1] for name, values in query_fields(visit.request.query).items()}
        try:
            self._admit(visit, query.get("user", ""), query.get("apiid", ""))
            event = query.get("ev", "").lower()
            if event == "optedinnumbers":
                self._list(visit, query.get("optinlistid", ""))
                return
            answer = self._answer(event, query)
        except (LimeError, TooManyRequestsError) as error:
            answer = self._refusal(error, visit)
        self._conclude(visit, answer, latency=latency_seconds(self.settings, visit.number))

    def _answer(self, event: str, query: dict[str, str]) -> Answer:
        settings, mobile = self.settings, query.get("mobile", "")
        if event == "optinstatus":
            return self._status(valid(mobile), query.get("type", "optin").lower())
        if event == "optout":
            list_id, keyword = query.get("listid", ""), query.get("keyword", "")
            self.membership.opt_out(settings, mobile=mobile, list_id=list_id, keyword=keyword)
            return OK_TEXT
        raise LimeError(GENERAL, "Unknown event")

    def _status(self, mobile: str, kind: str) -> Answer:
        opted_in_to = self.lists.of(self.settings, mobile)
        if kind == "optout":
            left = self.lists.left
            gone = [list_id for list_id, numbers in left.items() if mobile in numbers]
            opted_in_to = [list_id for list_id in gone if list_id not in opted_in_to]
        return Answer(200, memberships(opted_in_to, kind=kind), XML)

    def _list(self, visit: Visit, list_id: str) -> None:
        settings = self.settings
        if list_id not in settings.lists and list_id not in self.lists.joined:
            raise LimeError(GENERAL, "Unknown list")
        if settings.list_fault is ListFault.ERROR:
            self._conclude(visit, Answer(500, b"General error", TEXT, str(GENERAL)))
            return
        if settings.list_fault is ListFault.NOT_XML:
            self._conclude(visit, Answer(200, b"<html><body>Sign in<br></body>", "text/html"))
            return
        self.figures.lists_served += 1
        self._record(visit, Answer(200, b"", XML))
        self.figures.end()
        self._stream(visit.exchange, self._pieces(list_id), settings)

    def _pieces(self, list_id: str) -> Iterator[bytes]:
        settings = self.settings
        people: Iterator[Person] = iter(())
        if settings.list_fault is not ListFault.EMPTY:
            people = self.lists.people(settings, list_id)
        return opted_in(people, settings, keyword=keyword_of(settings, list_id))

    def _stream(self, exchange: Exchange, pieces: Iterator[bytes], settings: Settings) -> None:
        fault = settings.list_fault
        if fault is ListFault.RESET:
            pieces = _resetting(pieces, exchange)
        claimed = CLAIMED_BYTES if fault is ListFault.CLAIMS_10_GB else None
        exchange.stream(
            Response(200, b"", content_type=XML),
            pieces,
            claimed_bytes=claimed,
            pause_seconds=settings.list_pause_ms / 1000,
        )

    # --- Ends ---------------------------------------------------------------------------------

    def _conclude(self, visit: Visit, answer: Answer, *, latency: float = 0.0) -> None:
        """Log the request now, and deliver its answer when its latency is over."""
        self._record(visit, answer)
        headers = () if answer.retry_after is None else (("retry-after", str(answer.retry_after)),)
        response = Response(answer.status, answer.body, headers, answer.content_type)
        end = partial(self._end, visit, response)
        if latency > 0:
            self._loop.call_later(latency, end)
        else:
            self._loop.call_soon(end)  # behind the logs, which are written in the next turn

    def _end(self, visit: Visit, response: Response) -> None:
        self.figures.end()
        deliver(visit.exchange, response, visit.fault, self.settings)

    def _record(self, visit: Visit, answer: Answer) -> None:
        kind = visit.fault.kind if visit.fault else None
        status = None if kind in UNANSWERED else answer.status
        self.figures.requests[str(status or kind)] += 1
        if answer.error is not None:
            self.figures.errors[answer.error] += 1
        self.requests.add(
            [
                {
                    "t": visit.now + self._epoch_offset,
                    "number": visit.number,
                    "method": visit.request.method,
                    "path": visit.request.path,
                    "status": status,
                    "error": answer.error,
                    "fault": kind,
                    "texts": visit.texts,
                    "accepted": visit.accepted,
                    "user": visit.user,
                }
            ]
        )


class Visit:
    """One request from its arrival to its end."""

    __slots__ = (
        "accepted",
        "exchange",
        "fault",
        "json",
        "now",
        "number",
        "request",
        "texts",
        "user",
    )

    def __init__(self, exchange: Exchange, *, number: int, now: float) -> None:
        self.exchange = exchange
        self.request: Request = exchange.request
        self.number = number
        self.now = now
        self.fault: Fault | None = None
        self.json: Any = False
        self.texts = 0
        self.accepted = 0
        self.user: str | None = None


def _resetting(pieces: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        if number == _HALF_WAY_PIECES:
            exchange.reset()
            return
        yield piece

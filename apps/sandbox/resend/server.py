"""The stand-in itself: from a request to what the client gets to see."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from apps.sandbox.control import PREFIX
from apps.sandbox.draws import fraction
from apps.sandbox.endings import delay_seconds, deliver
from apps.sandbox.faults import Fault, FaultPlan
from apps.sandbox.resend import control
from apps.sandbox.resend.acceptance import Acceptance
from apps.sandbox.resend.call import Call
from apps.sandbox.resend.contact_calls import log_line, serve_contact_call
from apps.sandbox.resend.errors import Answer, ApiError
from apps.sandbox.resend.figures import Figures, Visit
from apps.sandbox.resend.gate import let_in, respond
from apps.sandbox.resend.sending import serve_send
from apps.sandbox.resend.webhooks import Courier

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.sandbox.journal import Journal
    from apps.sandbox.resend.accounts import Account, Accounts
    from apps.sandbox.resend.routes import Endpoint, Route
    from apps.sandbox.resend.settings import Settings
    from apps.sandbox.wire import Exchange


class ResendServer:
    """Answers the provider's API, and the control API under `/_sandbox/`."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        *,
        accepted: Journal,
        requests: Journal,
        contacts: Journal,
    ) -> None:
        self.initial = self.settings = settings
        self.accounts = accounts
        self.faults = FaultPlan()
        self.contact_faults = FaultPlan()
        self.contacts_journal = contacts
        self.courier = Courier()
        self.acceptance = Acceptance(accepted, self.courier)
        self.figures = Figures(requests)
        # Log times are monotonic at heart: gaps between lines stay true when the clock is set.
        self._epoch_offset = time.time() - time.monotonic()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.courier.start()

    async def stop(self) -> None:
        await self.courier.stop()
        self.acceptance.journal.close()
        self.figures.journal.close()
        self.contacts_journal.close()

    def configure(self, settings: Settings) -> None:
        """Use these settings from the next request on."""
        self.settings = settings
        for account in self.accounts:
            account.configure(settings)

    def reset(self) -> None:
        """Forget all that was sent, counted and planned, and empty the logs."""
        for account in self.accounts:
            account.reset()
        self.faults.reset()
        self.contact_faults.reset()
        self.courier.clear()
        self.figures.reset()
        self.acceptance.count = 0
        self.acceptance.journal.clear()
        self.figures.journal.clear()
        self.contacts_journal.clear()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.path.startswith(PREFIX):
            control.serve(self, exchange)
        else:
            self._serve(exchange)

    def _serve(self, exchange: Exchange) -> None:
        now = time.monotonic()
        visit = Visit(exchange.request, epoch=now + self._epoch_offset)
        try:
            account, route, parameters = let_in(visit, self.accounts, now=now)
        except ApiError as error:
            self._conclude(exchange, visit, error.answer)
            return
        call = visit.call = self._call(visit, account, parameters)
        if route.sends:
            self._send(exchange, visit, call, route.endpoint, now=now)
            return
        if route.operation:
            self._ask_about_contact(exchange, visit, call, route)
            return
        try:
            answer = route.endpoint(call)
        except ApiError as error:
            answer = error.answer
        self._conclude(exchange, visit, answer, delay_seconds=self._latency(call.account))

    def _call(self, visit: Visit, account: Account, parameters: tuple[str, ...]) -> Call:
        return Call(
            request=visit.request,
            account=account,
            epoch=visit.epoch,
            acceptance=self.acceptance,
            later=self._loop.call_later,
            parameters=parameters,
            key=visit.request.headers.get("idempotency-key"),
        )

    def _send(
        self, exchange: Exchange, visit: Visit, call: Call, endpoint: Endpoint, *, now: float
    ) -> None:
        settings = self.settings
        visit.fault = self.faults.draw(
            seed=settings.seed, rates=settings.faults, script=settings.fault_script
        )
        sending = serve_send(call, endpoint, visit.fault, now=now)
        visit.replayed = sending.replayed
        delay = self._latency(call.account, visit.fault)
        self._conclude(exchange, visit, sending.shown, delay_seconds=delay, before=sending.settle)

    def _ask_about_contact(
        self, exchange: Exchange, visit: Visit, call: Call, route: Route
    ) -> None:
        settings = self.settings
        visit.fault = self.contact_faults.draw(
            seed=settings.seed, rates=settings.contact_faults, script=settings.contact_fault_script
        )
        answer = serve_contact_call(call, route, visit.fault)
        delay = self._latency(call.account, visit.fault)

        def log() -> None:
            ended = time.monotonic() + self._epoch_offset
            self.contacts_journal.append([log_line(visit, call, route, answer, ended=ended)])

        self._conclude(exchange, visit, answer, delay_seconds=delay, before=log)

    def _latency(self, account: Account, fault: Fault | None = None) -> float:
        settings = account.settings
        jitter = 0.0
        if settings.jitter_ms:
            jitter = fraction(settings.seed, "jitter", self.figures.count)
        latency = (settings.latency_ms + settings.jitter_ms * jitter) / 1000
        return latency + delay_seconds(fault, settings)

    def _conclude(
        self,
        exchange: Exchange,
        visit: Visit,
        answer: Answer,
        *,
        delay_seconds: float = 0.0,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Log the request now; when its latency is over, call `before` and deliver."""
        self.figures.record(visit, answer)
        response = respond(visit, answer, self.settings)

        def end() -> None:
            if before is not None:
                before()
            deliver(exchange, response, visit.fault, self.settings)

        if delay_seconds > 0:
            self._loop.call_later(delay_seconds, end)
        else:
            end()

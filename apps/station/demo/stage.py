"""What the demo plays on: servers, the stand-in provider, programs, and Django's settings here."""

from __future__ import annotations

import dataclasses
import os
import signal
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import django
from django.db import connections

from apps.sandbox.handle import ResendSandbox
from apps.sandbox.lime.handle import LimeSandbox
from apps.station.demo.letters import save_letter
from apps.station.demo.people import GONE_DOMAIN
from apps.station.demo.waiting import await_true
from apps.station.local import procfile
from apps.station.local.keeping import LIME_USER, lime_program, sandbox_program
from apps.station.local.local_station import LocalStation
from apps.station.local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REQUESTS_PER_SECOND = 5
LATENCY_MS = 120
SANDBOX, LIME = "resend-sandbox", "lime-sandbox"
LIST_ID, LIST_PEOPLE, LIST_DAYS = "71441", 20_000, 100
TEXT_LATENCY_MS = 200
SENDING_DOMAIN = "harbour.example"
# What a campaign, the provider's events and texts need; single mails and segments have none here.
WORKERS = (
    "worker-control",
    "worker-audience",
    "worker-batch-email",
    "worker-events",
    "worker-maintenance",
    "worker-sms",
)
PROGRAMS = ("web", "beat", "sweeper", *WORKERS)
_WORKER_IS_READY = " ready."
# Some ten on two idle cores; a machine that is busy with other things takes many times that.
_START_SECONDS = 240.0
# Enough for a call under way; what they hold is deleted with the rest.
_STOP_SECONDS = 5
_TAIL_CHARACTERS = 1_500
_LOG_CHARACTERS = 1_000_000


class Stage:
    """Everything runs between `open` and `close`; afterwards only files and logs are left."""

    folder: Path
    sandbox: ResendSandbox
    lime: LimeSandbox

    def __init__(self) -> None:
        self._sandbox_port, self._lime_port = free_port(), free_port()
        self.sandbox_url = f"http://{LOOPBACK}:{self._sandbox_port}"
        environment = {
            "RESEND_API_URL": self.sandbox_url,
            "LIME_API_URL": f"http://{LOOPBACK}:{self._lime_port}",
        }
        self.station = LocalStation("demo", environment=environment)
        self._exits = ExitStack()

    def open(self) -> None:
        """Start servers and provider, and set Django up in this process.

        Raises StationError or WaitedTooLongError, with everything ended again.
        """
        try:
            self._exits.enter_context(self.station)
            self.folder = self.station.folder
            self._start_sandbox()
            self._start_lime()
            _enter_django(self.station.environment)
            self._exits.callback(connections.close_all)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End everything; a Ctrl-C in the meantime changes nothing. Twice does no harm."""
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._exits.close()
        finally:
            signal.signal(signal.SIGINT, former)

    def _start_sandbox(self) -> None:
        secrets = self.station.secrets
        self.station.start(
            sandbox_program(port=self._sandbox_port, secrets=secrets, folder=str(self.folder))
        )
        # Only a handle: the process manager has started it, and ends it.
        self.sandbox = ResendSandbox(
            self.folder / "sandbox",
            accounts={"station": secrets.sandbox_key},
            port=self._sandbox_port,
        )
        await_true(
            partial(_answers, self.sandbox),
            what="the first answer of the stand-in for Resend",
            seconds=_START_SECONDS,
            log=SANDBOX,
        )
        self.sandbox.configure(
            domains={SENDING_DOMAIN: "verified"},
            rate_limit=REQUESTS_PER_SECOND,
            latency_ms=LATENCY_MS,
            outcomes={GONE_DOMAIN: "bounced"},
        )

    def _start_lime(self) -> None:
        secrets = self.station.secrets
        self.station.start(
            lime_program(port=self._lime_port, secrets=secrets, folder=str(self.folder))
        )
        users = {LIME_USER: secrets.lime_sandbox_key}
        self.lime = LimeSandbox(self.folder / "lime", users=users, port=self._lime_port)
        await_true(
            partial(_answers, self.lime),
            what="the first answer of the stand-in for Lime",
            seconds=_START_SECONDS,
            log=LIME,
        )
        # Some records are broken, and some numbers are none any more.
        self.lime.configure(
            lists=f"{LIST_ID}={LIST_PEOPLE}",
            list_days=LIST_DAYS,
            list_broken_every=LIST_PEOPLE // 5,
            latency_ms=TEXT_LATENCY_MS,
            require_opt_in=True,
            refusal_rates={"110": 0.002},
        )

    def send_webhooks(self, *, token: str) -> None:
        """Let the provider tell us what becomes of each mail."""
        self.sandbox.configure(
            webhook_url=f"{self.web_url}/webhooks/resend/{token}/",
            webhook_secret=self.station.secrets.sandbox_webhook_secret,
        )

    @property
    def is_known(self) -> bool:
        """Whether there is a folder with logs already."""
        return "folder" in self.__dict__

    @property
    def web_url(self) -> str:
        return f"http://{LOOPBACK}:{self.station.web_port}"

    def start_programs(self) -> None:
        """Start web, beat, sweeper and workers; they get ready while others go on."""
        programs = procfile.only(self.station.environment, *PROGRAMS)
        self.station.start(
            *(dataclasses.replace(one, stop_seconds=_STOP_SECONDS) for one in programs)
        )

    def await_programs(self) -> None:
        """Wait until the web application has its database, and every worker its queue."""
        await_true(
            lambda: _is_healthy(self.station.web_port),
            what="the web application's first answer at /healthz",
            seconds=_START_SECONDS,
            log="web",
        )
        for worker in WORKERS:
            await_true(
                partial(self._is_ready, worker),
                what=f"the start of {worker}",
                seconds=_START_SECONDS,
                log=worker,
            )

    def _is_ready(self, worker: str) -> bool:
        return _WORKER_IS_READY in self.station.supervision.log_tail(worker, _LOG_CHARACTERS)

    def save_letter(self) -> Path | None:
        """The last letter that was accepted, for a browser; None where the provider forgot it."""
        last = None
        for last in self.sandbox.accepted():  # noqa: B007 - only the last one is wanted
            pass
        path, key = self.folder / "letter.html", self.station.secrets.sandbox_key
        saved = last is not None and save_letter(
            self.sandbox_url, api_key=key, email_id=last.id, path=path
        )
        return path if saved else None

    def log_tail(self, program: str) -> str:
        return self.station.supervision.log_tail(program, _TAIL_CHARACTERS)


def _enter_django(environment: Mapping[str, str]) -> None:
    """Set Django up in this process, against the stage: what was set outside is not seen."""
    os.environ.clear()
    # The screen is for the story; what the programs log is in their files.
    os.environ.update({**environment, "FLUX_LOG_LEVEL": "ERROR"})
    django.setup()


def _answers(stand_in: ResendSandbox | LimeSandbox) -> bool:
    try:
        stand_in.stats()
    except OSError:
        return False
    return True


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200  # noqa: PLR2004 - OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()

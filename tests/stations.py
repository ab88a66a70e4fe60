"""A whole station with its provider, for fault runs, benchmarks and end-to-end tests.

    with SendingStation("faults", environment=QUICK, sandbox={"latency_ms": 50}) as running:
        running.start(*CAMPAIGN_PROGRAMS)
        running.add_contacts(20_000)
        mailing = running.launch(running.create_campaign())
        running.await_completion(mailing, seconds=120)
        comparison = running.compare(mailing)
        assert comparison.agrees, comparison

Everything is the station's own: PostgreSQL, Valkey, the sandbox, brand, account and sender.
`running.station` kills and crashes (see `LocalStation`), `running.sandbox` makes the provider fail
(see `ResendSandbox`), `running.query` reads the database, `running.desk` calls services.
"""

from __future__ import annotations

import dataclasses
import re
import time
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Self

import psycopg

from apps.sandbox.handle import ResendSandbox
from apps.station.local import procfile
from apps.station.local.local_station import LocalStation
from apps.station.local.ports import LOOPBACK, free_port
from tests.desk import Desk
from tests.station_database import StationDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from apps.station.ledger import Comparison
    from apps.station.local.programs import Program
    from tests.station_database import Params

CAMPAIGN_PROGRAMS = ("sweeper", "worker-control", "worker-audience", "worker-batch-email")
"""What a campaign needs from launch to completion, but for webhooks."""

WEBHOOK_PROGRAMS = ("web", "worker-events")
"""What the provider's events need on top."""

QUICK: Mapping[str, str] = {
    "FLUX_BATCH_LEASE_SECONDS": "3",
    "FLUX_PROVIDER_CONNECT_SECONDS": "1",
    "FLUX_PROVIDER_READ_SECONDS": "1.5",
    "FLUX_PROVIDER_TOTAL_SECONDS": "2",
    "FLUX_RETRY_BASE_SECONDS": "0.1",
    "FLUX_RETRY_CAP_SECONDS": "1",
    "FLUX_SWEEP_SECONDS": "0.2",
}
"""Leases, deadlines and waits so short that a test of faults need not wait for them."""

SUBJECT = "{{ contact.first_name }}, your news"
HTML = """\
<html><head><style>p { color: #333333 } .button { background: #0b5fff; color: #ffffff }</style>
</head><body><h1>Hello {{ contact.first_name | default: "there" }}</h1>
<table>{% for item in traits.favourites %}<tr><td>{{ item }}</td></tr>{% endfor %}</table>
<p>Your plan: {{ traits.plan }}, from {{ traits.city }}.</p>
<p><a class="button" href="{{ brand.website }}/offers">See the offers</a></p>
<p>{{ brand.name }}, {{ brand.postal_address }}</p>
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>
"""

_POLL_SECONDS = 0.05
_TAIL_CHARACTERS = 1500
_ANSWER_SECONDS = 30.0
# Some seconds on two idle cores; a machine that is busy with other tests takes many times that.
_START_SECONDS = 240.0
_READY = re.compile(r"\bready\.|(?:sweeper|drainer)_started|beat: Starting")


class SendingStation:
    """A station that may send, and the stand-in it sends to; a context manager.

    `name`, `environment` and `durable` are those of `LocalStation`; `sandbox` holds any settings of
    the stand-in (`rate_limit` 0 lifts the limit). With `webhooks` the stand-in posts its events to
    the station's web server, which must be started then (`WEBHOOK_PROGRAMS`).
    """

    desk: Desk
    database: StationDatabase
    sandbox: ResendSandbox
    brand_id: int
    account_id: int
    sender_id: int

    def __init__(  # noqa: PLR0913 - independent choices, all by keyword
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        sandbox: Mapping[str, object] | None = None,
        webhooks: bool = False,
        durable: bool = False,
        domain: str = "harbour.example",
    ) -> None:
        self._domain, self._webhooks = domain, webhooks
        self._settings = dict(sandbox or {})
        self._sandbox_port = free_port()
        url = f"http://{LOOPBACK}:{self._sandbox_port}"
        self.station = LocalStation(
            name, environment={"RESEND_API_URL": url, **(environment or {})}, durable=durable
        )
        self._started: list[str] = []
        self._exits = ExitStack()

    # --- Its life -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything; called twice it does no harm."""
        self._exits.close()

    def _set_up(self) -> None:
        station = self._exits.enter_context(self.station)
        self.desk = self._exits.enter_context(Desk(station.environment))
        self.sandbox = ResendSandbox(
            station.folder / "sandbox",
            accounts={"station": station.secrets.sandbox_key},
            domains=[self._domain],
            port=self._sandbox_port,
            **self._settings,
        )
        self._exits.enter_context(self.sandbox)
        self.database = StationDatabase(station.environment["DATABASE_URL"])
        self._exits.callback(self.database.close)
        self.desk.call("tests.desk_work:migrate")
        self._create_brand()

    def _create_brand(self) -> None:
        token, secret = "t" * 24, self.station.secrets.sandbox_webhook_secret
        ids = self.desk.call(
            "tests.desk_work:create_brand",
            slug="harbour",
            domain=self._domain,
            api_key=self.station.secrets.sandbox_key,
            webhook_token=token,
            webhook_secret=secret,
        )
        self.brand_id, self.account_id = ids["brand"], ids["account"]
        self.sender_id = ids["sender"]
        if self._webhooks:
            self.sandbox.configure(
                webhook_url=f"http://{LOOPBACK}:{self.station.web_port}/webhooks/resend/{token}/",
                webhook_secret=secret,
            )

    # --- Its programs -------------------------------------------------------------------------

    def start(
        self,
        *names: str,
        concurrency: Mapping[str, int] | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Start programs of `deploy/Procfile`; `concurrency` and `environment` change single ones.

        Returns once they are ready for work; a TimeoutError has their logs if they are not.
        """
        chosen = procfile.only(self.station.environment, *names)
        for program in chosen:
            self.station.start(
                dataclasses.replace(
                    _with_concurrency(program, (concurrency or {}).get(program.name)),
                    environment=(environment or {}).get(program.name, {}),
                )
            )
        self._started += names
        for name in names:
            self.wait_until(
                partial(self._is_ready, name),
                seconds=_START_SECONDS,
                what=f"{name} to be ready for work",
            )

    def start_variant(
        self,
        program: str,
        *,
        name: str,
        application: str,
        environment: Mapping[str, str],
        concurrency: int,
    ) -> None:
        """Start a worker of `deploy/Procfile` under another name and Celery application."""
        (original,) = procfile.only(self.station.environment, program)
        changed = _with_concurrency(original, concurrency)
        command = [application if word == "config" else word for word in changed.command]
        self.station.start(
            dataclasses.replace(
                changed, name=name, command=tuple(command), environment=dict(environment)
            )
        )
        self._started.append(name)

    def _is_ready(self, program: str) -> bool:
        if program == "web":
            return self.get("/healthz") == HTTPStatus.OK
        return bool(_READY.search(self.log(program)))

    def get(self, path: str) -> int | None:
        """The status of a GET at the web server; None where it does not answer."""
        return self._ask("GET", path)

    def post(self, path: str, body: str = "") -> int | None:
        """The status of a POST of a form at the web server; None where it does not answer."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: str | None = None) -> int | None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection = HTTPConnection(LOOPBACK, self.station.web_port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def log(self, program: str) -> str:
        """All that is kept of a program's log: what is counted in it never falls out of it."""
        log = self.station.supervision.folder / "logs" / f"{program}.log"
        # Its older parts have the highest numbers: supervisord turns the file at a size.
        parts = sorted(log.parent.glob(f"{log.name}.*"), reverse=True)
        return "".join(one.read_text(errors="replace") for one in (*parts, log) if one.is_file())

    def log_tail(self, program: str, *, characters: int = _TAIL_CHARACTERS) -> str:
        """The end of a program's log: for a failure's text."""
        return self.station.supervision.log_tail(program, characters)

    # --- What it sends ------------------------------------------------------------------------

    def add_contacts(
        self,
        number: int,
        *,
        prefix: str = "person",
        domain: str = "people.example",
        traits: Mapping[str, str] | None = None,
    ) -> None:
        """Subscribed people `person1@people.example` and so on; a million take half a minute."""
        self.database.add_contacts(
            number, brand=self.brand_id, prefix=prefix, domain=domain, traits=traits or {}
        )

    def create_campaign(
        self,
        *,
        name: str = "News",
        subject: str = SUBJECT,
        html: str = HTML,
        text: str = "",
        audience: Mapping[str, Any] | None = None,
    ) -> int:
        """A campaign to everybody, unless `audience` says otherwise; returns its id."""
        return int(
            self.desk.call(
                "tests.desk_work:create_campaign",
                sender=self.sender_id,
                name=name,
                subject=subject,
                html=html,
                text=text,
                audience=dict(audience or {"everyone": True}),
            )
        )

    def launch(self, campaign: int) -> int:
        """Launch a campaign; returns the id of its mailing."""
        return int(self.desk.call("tests.desk_work:launch", campaign=campaign))

    def pause(self, mailing: int) -> None:
        self.desk.call("apps.mail.mailings:pause", mailing_id=mailing, reason="asked to")

    def resume(self, mailing: int) -> None:
        self.desk.call("apps.mail.mailings:resume", mailing_id=mailing)

    def cancel(self, mailing: int) -> None:
        self.desk.call("apps.mail.mailings:cancel", mailing_id=mailing, reason="asked to")

    # --- How far it is ------------------------------------------------------------------------

    def mailing_state(self, mailing: int) -> str:
        (row,) = self.query("SELECT state FROM mail_mailing WHERE id = %s", [mailing])
        return str(row["state"])

    def counts(self, mailing: int) -> dict[tuple[str, str], int]:
        """The mailing's messages by (state, reason)."""
        rows = self.query(
            "SELECT m.state, m.reason, count(*) AS number FROM mail_message m"
            "  JOIN mail_mailing ON mail_mailing.id = m.mailing_id AND mail_mailing.month = m.month"
            " WHERE m.mailing_id = %s GROUP BY m.state, m.reason",
            [mailing],
        )
        return {(row["state"], row["reason"]): int(row["number"]) for row in rows}

    def await_completion(self, mailing: int, *, seconds: float) -> None:
        """Wait until the mailing is completed; a TimeoutError tells how far it came."""
        self.await_state(mailing, "completed", seconds=seconds)

    def await_state(self, mailing: int, state: str, *, seconds: float) -> None:
        self.wait_until(
            lambda: self.mailing_state(mailing) == state,
            seconds=seconds,
            what=f"mailing {mailing} to be {state}",
        )

    def wait_until(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait for a condition; the TimeoutError says for what, and what the station looked like.

        A condition may fail with a database error while PostgreSQL is down: it is asked again.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except psycopg.OperationalError:
                self.database.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}.\n{self.describe()}")
            time.sleep(_POLL_SECONDS)

    def describe(self) -> str:
        """Mailings, batches, dead letters, programs, the ends of logs: for a failure's text."""
        parts = self.database.describe()
        parts += [f"{one.process}: {one.state}, {one.uptime_seconds} s" for one in
                  self.station.states()]  # fmt: skip
        parts += [f"--- {one}\n{self.log_tail(one)}"
                  for one in self._started]  # fmt: skip
        return "\n".join(parts)

    def compare(self, mailing: int, *, seconds: float = 300.0) -> Comparison:
        """Our ledger of a mailing against the stand-in's log, row by row."""
        compared: Comparison = self.desk.call(
            "tests.desk_work:compare",
            mailing=mailing,
            log=str(self.sandbox.accepted_log),
            within_seconds=seconds,
        )
        return compared

    # --- The database -------------------------------------------------------------------------

    def query(self, statement: str, params: Params = None) -> list[dict[str, Any]]:
        """The rows of a statement; see `StationDatabase`."""
        return self.database.query(statement, params)

    def execute(self, statement: str, params: Params = None) -> None:
        self.database.query(statement, params)

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection of its own for the caller, committing each statement; to be closed."""
        return self.database.connect()


def _with_concurrency(program: Program, concurrency: int | None) -> Program:
    if concurrency is None:
        return program
    command = list(program.command)
    command[command.index("--concurrency") + 1] = str(concurrency)
    return dataclasses.replace(program, command=tuple(command))

"""Take each guard away, one at a time, in a copy of the project: the suite must fail each time.

`docs/faults.md` says what each one prevents. A unit test keeps the texts below in step with the
code, so that a guard cannot move away unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.rows import Row

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("apps", "config", "templates", "tests", "deploy", "locale", "manage.py", "pyproject.toml")
BATCHES = "tests/integration/mail/test_batches.py"
SENDING = "tests/integration/mail/test_sending.py"
PLANNING = "tests/integration/mail/test_planning.py"
ENQUEUEING = "tests/integration/queues/test_enqueueing.py"
DRAINING = "tests/integration/queues/test_draining.py"
POISON = "tests/integration/queues/test_poison_workers.py"
TRANSPORT = "tests/integration/queues/test_transport.py"
BREAKER = "tests/integration/queues/test_breaker.py"
CLASSES = "tests/integration/queues/test_limiter_classes.py"


@dataclass(frozen=True)
class Guard:
    """`text` in `path` is replaced by `without`; one of `tests` must then fail."""

    name: str
    path: str
    text: str
    without: str
    tests: str


_SETTLING = (
    "settled_at = statement_timestamp(),\n           last_error = %(error)s\n"
    "     WHERE id = %(batch)s"
)

GUARDS = (
    Guard("fence at settling", "apps/mail/outcomes.py",
          f"{_SETTLING} AND fence = %(fence)s AND state = 'calling'",
          f"{_SETTLING} AND state = 'calling'", BATCHES),
    Guard("state at settling", "apps/mail/outcomes.py",
          f"{_SETTLING} AND fence = %(fence)s AND state = 'calling'",
          f"{_SETTLING} AND fence = %(fence)s", BATCHES),
    Guard("fence at sealing", "apps/mail/sealing.py",
          "WHERE id = %(batch)s AND fence = %(fence)s AND state = 'planned'",
          "WHERE id = %(batch)s AND state = 'planned'", BATCHES),
    Guard("fence that rises", "apps/mail/claiming.py",
          "SET fence = batch.fence + 1,", "SET fence = batch.fence,", BATCHES),
    Guard("what fell goes first", "apps/mail/claiming.py",
          "AND state = 'planned' AND fence > 0", "AND state = 'planned'", BATCHES),
    Guard("lost connection of a channel", "apps/queues/transport.py",
          "if self.connection is None or self.connection.client is None:", "if False:", TRANSPORT),
    Guard("lease", "apps/mail/claiming.py",
          "due_at = statement_timestamp() + make_interval(secs => %(lease)s),",
          "due_at = statement_timestamp() + make_interval(secs => %(lease)s * 0),", BATCHES),
    Guard("idempotency key kept over attempts", "apps/mail/sealing.py",
          "return Sealed(batch.key, body, message_ids, addresses)",
          "return Sealed(uuid.uuid4().hex, body, message_ids, addresses)", SENDING),
    Guard("bytes kept over attempts", "apps/mail/sending.py",
          "_reopened(batch) if batch.sealed else _sealed(batch)", "_sealed(batch)", SENDING),
    Guard("end of a batch that kills", "apps/mail/sending.py",
          "    if batch.falls > MOST_FALLS:\n", "    if False:\n", SENDING),
    Guard("a person's word after a list's", "apps/sms/leaving.py",
          'f"(sms_subscription.active OR starts_with(sms_subscription.source, \'{LEFT_LIST}\'))"',
          '"sms_subscription.active"', "tests/integration/sms/test_list_sync.py"),
    Guard("the list's turn", "apps/sms/listing/fetching.py",
          "    _await_turn(opt_in_list.account_id)\n", "",
          "tests/integration/sms/test_list_sync.py"),
    Guard("digest of the bytes", "apps/mail/sealing.py",
          "return body if hashlib.sha256(body).digest() == digest else None",
          "return body", BATCHES),
    Guard("doubt is kept", "apps/mail/claiming.py",
          "ambiguous = batch.ambiguous OR batch.state = 'calling'",
          "ambiguous = batch.ambiguous", BATCHES),
    Guard("no unsealing in doubt", "apps/mail/outcomes.py",
          "    if batch.ambiguous:\n", "    if False and batch.ambiguous:\n", BATCHES),
    Guard("age of the key", "apps/mail/sending.py",
          "    if batch.key_age_s > settings.IDEMPOTENCY_KEY_SECONDS:\n",
          "    if False:\n", SENDING),
    Guard("suppression and consent at sealing", "apps/mail/sealing.py",
          "        if recipient.skip_reason:\n", "        if False:\n", BATCHES),
    Guard("pause at claiming", "apps/mail/claiming.py",
          "WHERE account_id = %(account)s AND state = 'running' AND kind = 'bulk'",
          "WHERE account_id = %(account)s AND kind = 'bulk'", BATCHES),
    Guard("pause at sealing", "apps/mail/sealing.py",
          "SELECT 1 FROM mail_mailing WHERE id = batch.mailing_id AND state = 'running'",
          "SELECT 1 FROM mail_mailing WHERE id = batch.mailing_id", BATCHES),
    Guard("row lock of the planner", "apps/mail/planning.py",
          "Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)",
          "Mailing.objects.get(pk=mailing_id)", PLANNING),
    Guard("once per mailing and contact", "apps/mail/migrations/0002_growing_tables.py",
          "CREATE UNIQUE INDEX message_once_per_contact", "CREATE INDEX message_once_per_contact",
          "tests/integration/mail/test_constraints.py"),
    Guard("once per key of a single mail", "apps/mail/migrations/0002_growing_tables.py",
          "CREATE UNIQUE INDEX message_once_per_key", "CREATE INDEX message_once_per_key",
          "tests/integration/mail/test_constraints.py"),
    Guard("event stored once", "apps/mail/migrations/0002_growing_tables.py",
          "CREATE UNIQUE INDEX delivery_event_once", "CREATE INDEX delivery_event_once",
          "tests/integration/mail/test_constraints.py"),
    Guard("one probe at a time", "apps/queues/lua/breaker.lua",
          "(state == 'probing' and now >= lease)", "state == 'probing'", BREAKER),
    Guard("lease of a probe", "apps/queues/lua/breaker.lua",
          "probe, lease = 1, 'probing', 'probing', token, now + probe_lease",
          "probe, lease = 1, 'probing', 'probing', token, now + probe_lease * 1000", BREAKER),
    Guard("number of an opening", "apps/queues/lua/breaker.lua",
          "(generation == gen or generation == -1)", "generation", BREAKER),
    Guard("run of errors", "apps/queues/lua/breaker.lua",
          "(run >= run_limit and now - ok >= quiet)", "false", BREAKER),
    Guard("bulk reserves less far ahead", "apps/queues/lua/limiter.lua",
          "overtakes and longest_wait or math.max(bulk_reach(longest_wait), lead)",
          "longest_wait", CLASSES),
    Guard("every fifth slot", "apps/queues/lua/limiter.lua",
          "local overtakes = owed and others_want()", "local overtakes = false", CLASSES),
    Guard("seats", "apps/queues/limiting/own_pace.py",
          "random.uniform(0, places) if self.seat is None else self.seat",
          "random.uniform(0, places)", "tests/unit/queues/test_limiter_alone.py"),
    Guard("held queue gets its one try", "apps/queues/sweeping.py",
          "wanted = wanted if places is None else min(wanted, places)", "pass",
          "tests/integration/queues/test_holding.py"),
    Guard("hold-down of the publisher", "apps/queues/enqueueing.py",
          "if copies < 1 or not link.may_ask(started):", "if copies < 1:", ENQUEUEING),
    Guard("write probe of the drainer", "apps/queues/draining.py",
          "bool(self._client.set(_PROBE_KEY, 1, ex=60))", "bool(self._client.ping())", DRAINING),
    Guard("a hand per queue in the drainer", "apps/queues/draining.py",
          "hand = self._hands.get(queue)", "hand = next(iter(self._hands.values()), None)",
          DRAINING),
    Guard("look before delivering", "apps/queues/transport.py",
          "problem = poison.problem_of(item)", "problem = None", POISON),
    Guard("dropping what a full broker refuses to note", "apps/queues/transport.py",
          "except ResponseError as error:", "except ZeroDivisionError as error:",
          "tests/integration/queues/test_transport.py"),
    Guard("deaths in the header", "apps/queues/poison.py",
          "deaths = 1 + _count(headers.get(DEATHS_HEADER))", "deaths = 1", POISON),
    Guard("claimed period", "apps/queues/schedules.py",
          "claimed = bool(cursor.rowcount)", "claimed = True",
          "tests/integration/queues/test_schedules.py"),
    Guard("silence of a stalled worker", "apps/queues/watchdog.py",
          "if stalled < stall_seconds:", "if stalled >= 0:",
          "tests/unit/queues/test_watchdog.py"),
    Guard("one run of the minute at a time", "apps/sms/choosing/running.py",
          "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", "SELECT length(%s)",
          "tests/integration/sms/test_choosing_at_once.py"),
    Guard("a text once per person and day", "apps/sms/migrations/0002_sent_log.py",
          "CREATE UNIQUE INDEX sent_text_once_per_day", "CREATE INDEX sent_text_once_per_day",
          "tests/integration/sms/test_choosing_at_once.py"),
    Guard("weekly cap of a campaign's texts", "apps/sms/choosing/statements.py",
          "CASE WHEN week_{n} >= %(weekly_cap_{n})s", "CASE WHEN week_{n} < 0",
          "tests/integration/sms/test_choosing.py"),
    Guard("daily cap of texts", "apps/sms/choosing/rules.py",
          '"coalesce(had.today, 0) < %(daily_limit)s"', '"true"',
          "tests/integration/sms/test_choosing.py"),
)  # fmt: skip


def run() -> list[Row]:
    """A row per guard: whether its tests failed without it."""
    with ThreadPoolExecutor(os.cpu_count()) as side_by_side:
        return list(side_by_side.map(_without, GUARDS))


def _without(guard: Guard) -> Row:
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        copy = Path(folder) / "project"
        _copy(copy)
        path = copy / guard.path
        path.write_text(path.read_text().replace(guard.text, guard.without, 1))
        done = subprocess.run(  # noqa: S603 - our own suite
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", guard.tests],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    # 1 is pytest's code for failed tests; anything else would be a suite that did not run.
    noticed = done.returncode == 1
    print(f"without {guard.name}: {'noticed' if noticed else 'NOT NOTICED'}", flush=True)
    return Row(f"without: {guard.name}", int(noticed), "", "its tests fail", noticed)


def _copy(target: Path) -> None:
    target.mkdir()
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, target / name)

"""What benchmarks do inside a station's desk, where Django is set up."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Brand, Sender
from apps.campaigns import dry_running
from apps.campaigns.models import DryRun
from apps.contacts.eligibility import MailClass, blocked_addresses
from apps.contacts.models import Contact
from apps.mail import mailings, outcomes, planning
from apps.mail.claiming import claim_batch
from apps.mail.models import Mailing, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.planning import Selection
from apps.mail.sealing import compose, seal

_SUPPRESSED = """
INSERT INTO contacts_suppression (address, brand_id, reason, origin)
SELECT 'gone' || n || '@people.example', NULL, 'hard_bounce', 'provider'
  FROM generate_series(1, %s) n
"""


def look_up_suppressed(*, number: int, asked: int, rounds: int) -> list[float]:
    """Seconds per look-up of `asked` addresses, half of them suppressed.

    As in a station that runs: as many look-ups went before. Each asks for other people.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESSED, [number])
        cursor.execute("VACUUM (ANALYZE) contacts_suppression")  # as autovacuum would have
    brand = Brand.objects.get()
    taken = []
    for turn in range(2 * rounds):
        first = turn * asked
        addresses = [f"gone{first + n}@people.example" for n in range(1, asked // 2 + 1)]
        addresses += [f"here{first + n}@people.example" for n in range(asked // 2)]
        started = time.perf_counter()
        blocked = blocked_addresses(addresses, brand, MailClass.TRANSACTIONAL)
        taken.append(time.perf_counter() - started)
        if len([one for one in blocked if one.startswith("gone")]) != asked // 2:
            raise RuntimeError("the look-up did not find who is suppressed: no figure counts")
    return taken[rounds:]


def _mailing(sender: int) -> Mailing:
    return mailings.create_bulk_mailing(
        name="bench",
        sender=Sender.objects.get(pk=sender),
        mail_class=MailClass.COMMERCIAL,
        subject="Hello {{ contact.first_name }}",
        html='<p>{{ brand.postal_address }} <a href="{{ unsubscribe_url }}">Leave</a></p>',
        text="",
    )


_LEAVE = """
UPDATE contacts_contact SET status = 'unsubscribed' WHERE id % 10 = 0
"""
_SUPPRESS_SOME = """
INSERT INTO contacts_suppression (address, brand_id, reason, origin)
SELECT address, NULL, 'hard_bounce', 'provider' FROM contacts_contact WHERE id % 20 = 1
"""


def let_some_leave() -> None:
    """A tenth unsubscribes, another twentieth bounced."""
    with connection.cursor() as cursor:
        for statement in (_LEAVE, _SUPPRESS_SOME, "VACUUM (ANALYZE)"):
            cursor.execute(statement)


def run_dry(*, campaign: int, rounds: int) -> dict[str, Any]:
    """Seconds of whole dry runs, and from asking to cancel one until it stands still."""
    seconds, to_cancel = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        run = dry_running.start_dry_run(campaign_id=campaign, actor="bench")
        while not _ended(run):
            dry_running.run_dry(dry_run_id=run.pk)
        seconds.append(time.perf_counter() - started)
        skipped = sum(run.skipped.values())
        to_cancel.append(_cancel_midway(campaign))
    return {"seconds": seconds, "to_cancel": to_cancel, "skipped": skipped}


def _ended(run: DryRun) -> bool:
    run.refresh_from_db()
    return run.state != DryRun.State.RUNNING


def _cancel_midway(campaign: int) -> float:
    run = dry_running.start_dry_run(campaign_id=campaign, actor="bench")
    runner = threading.Thread(target=dry_running.run_dry, kwargs={"dry_run_id": run.pk})
    runner.start()
    time.sleep(1)
    asked = time.perf_counter()
    dry_running.cancel_dry_run(dry_run_id=run.pk, actor="bench")
    runner.join()
    if not _ended(run) or run.state != DryRun.State.CANCELLED:
        raise RuntimeError(f"the dry run was {run.state} when it was cancelled")
    return time.perf_counter() - asked


def plan_audience(*, sender: int, rounds: int) -> dict[str, Any]:
    """Seconds per audience of everybody there is; memory grown from the first page to the last."""
    seconds, grown, statements = [], 0.0, 0
    for _ in range(rounds):
        mailing = _mailing(sender)
        with CaptureQueriesContext(connection) as captured:
            started = time.perf_counter()
            page = planning.plan_page(mailing_id=mailing.pk, selection=Selection())
        statements = max(statements, len(captured))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while not page.complete:
            page = planning.plan_page(mailing_id=mailing.pk, selection=Selection())
        seconds.append(time.perf_counter() - started)
        grown = max(grown, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE mail_message, mail_audiencepage, mail_batchbody, mail_batch,"
                           " mail_batchattempt")  # fmt: skip
    return {"seconds": seconds, "grown_mb": grown, "statements_per_page": statements}


def count_statements(*, sender: int) -> list[int]:
    """Statements of each of three batches of 100, claim to settle; the first one is not counted."""
    mailing = _mailing(sender)
    while not planning.plan_page(mailing_id=mailing.pk, selection=Selection()).complete:
        pass
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            _send_one(mailing.account_id)
        counts.append(len(captured))
    return counts[1:]


def _send_one(account_id: int) -> None:
    batch = claim_batch(account_id=account_id)
    if batch is None:
        raise RuntimeError("no batch was due: no figure counts")
    sealed = compose(batch)
    seal(batch, sealed)
    verdicts = [Verdict(Message.State.SENT, provider_id="x")] * len(sealed.message_ids)
    outcomes.settle(batch, sealed, verdicts, Attempt("accepted"))


def import_people(*, path: str, number: int) -> dict[str, float]:
    """Rows a second of our import, command and all, and of `bulk_create` in chunks of 5,000."""
    brand = Brand.objects.get()
    started = time.perf_counter()
    call_command("import_contacts", path, brand=brand.slug, consent="asked for it", verbosity=0)
    ours = number / (time.perf_counter() - started)
    if Contact.objects.filter(brand=brand).count() != number:
        raise RuntimeError("not everybody was imported: no figure counts")
    other = Brand.objects.create(slug="other", name="Other")
    sample = number // 5
    started = time.perf_counter()
    Contact.objects.bulk_create(
        (
            Contact(
                brand=other, email=f"someone{n}@people.example",
                address=f"someone{n}@people.example", first_name=f"Ada{n}",
                last_name="Lovelace", traits={"city": "Turin"}, status="subscribed",
            )
            for n in range(sample)
        ),
        batch_size=5_000,
    )  # fmt: skip
    return {"import": ours, "bulk_create": sample / (time.perf_counter() - started)}

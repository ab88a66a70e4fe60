"""Progress and results are two ways to the same numbers, whatever happened in between."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.campaigns import controlling
from apps.contacts.models import Contact
from apps.mail import mailings, outcomes, regrouping
from apps.mail.claiming import ClaimedBatch, claim_batch
from apps.mail.models import Mailing, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.results import Progress, Results, differences, effort, progress, results
from apps.mail.sealing import Sealed, compose, seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom

OK = Attempt("accepted", latency_ms=200)


def claimed(mailing: Mailing) -> tuple[ClaimedBatch, Sealed]:
    batch = claim_batch(account_id=mailing.account_id)
    assert batch is not None
    sealed = compose(batch)
    assert seal(batch, sealed)
    return dataclasses.replace(batch, sealed=True, key=sealed.key, attempts=1), sealed


def settle(mailing: Mailing, *, failed: int = 0, unknown: int = 0, reason: str = "refused") -> None:
    """Settles the next batch: the first ones fail, the next are in doubt, the others are sent."""
    batch, sealed = claimed(mailing)
    verdicts = [
        Verdict(Message.State.FAILED, reason)
        if index < failed
        else Verdict(Message.State.UNKNOWN, "key_expired")
        if index < failed + unknown
        else Verdict(Message.State.SENT, provider_id=f"id-{message_id}")
        for index, message_id in enumerate(sealed.message_ids)
    ]
    outcomes.settle(batch, sealed, verdicts, OK)


def both(mailing: Mailing) -> tuple[Progress, Results]:
    mailing.refresh_from_db()
    seen, found = progress(mailing), results(mailing)
    assert differences(seen, found) == {}
    return seen, found


def test_planned_mailing_is_all_pending(newsroom: Newsroom) -> None:
    newsroom.add_people(3, start=1000, status="unsubscribed")
    _, mailing = newsroom.launched(250)

    seen, found = both(mailing)

    assert (seen.audience, seen.planned, seen.pending, seen.in_flight) == (253, 250, 250, 0)
    assert seen.skipped_by_reason == {"unsubscribed": 3}
    assert (seen.audience_complete, seen.complete) == (True, False)
    assert found.counts == {("pending", ""): 250, ("skipped", "unsubscribed"): 3}


def test_every_end_is_counted_by_state_and_reason(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(250)
    settle(mailing, failed=2)
    settle(mailing, unknown=5)
    claimed(mailing)

    seen, found = both(mailing)

    assert (seen.sent, seen.failed, seen.unknown) == (193, 2, 5)
    assert (seen.pending, seen.in_flight) == (50, 50)
    assert found.by_reason(Message.State.FAILED) == {"refused": 2}
    assert found.by_reason(Message.State.UNKNOWN) == {"key_expired": 5}


def test_who_left_before_sealing_is_skipped_later(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(100)
    newsroom.suppress(1, 2)
    Contact.objects.filter(first_name="P3").update(status="unsubscribed")

    settle(mailing)

    seen, found = both(mailing)
    assert (seen.sent, seen.skipped_later, seen.skipped) == (97, 3, 3)
    assert found.by_reason(Message.State.SKIPPED) == {"hard_bounce": 2, "unsubscribed": 1}
    assert seen.complete


def test_split_batch_is_counted_once(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(100)
    newsroom.suppress(1)
    batch, sealed = claimed(mailing)

    regrouping.split(batch, sealed, Attempt("BatchRefused", 80, "422 validation_error"))

    seen, _ = both(mailing)
    assert (seen.planned, seen.pending, seen.skipped_later) == (100, 99, 1)
    settle(mailing, failed=1)
    settle(mailing)
    seen, _ = both(mailing)
    assert (seen.sent, seen.failed, seen.pending) == (98, 1, 0)


def test_retried_ones_are_pending_again(newsroom: Newsroom) -> None:
    campaign, mailing = newsroom.launched(150)
    settle(mailing, failed=30)
    settle(mailing, failed=20, reason="template")
    mailings.close_finished()

    retried = controlling.retry_failed(campaign_id=campaign.pk, by="anna", reasons=["refused"])

    seen, found = both(mailing)
    assert retried == 30
    assert (seen.state, seen.failed, seen.pending) == ("running", 20, 30)
    settle(mailing, failed=1)
    seen, found = both(mailing)
    assert (seen.sent, seen.failed) == (129, 21)
    assert found.by_reason(Message.State.FAILED) == {"template": 20, "refused": 1}


def test_cancelled_ones_are_skipped(newsroom: Newsroom) -> None:
    campaign, mailing = newsroom.launched(250)
    settle(mailing, failed=1)
    in_flight = claimed(mailing)
    controlling.cancel(campaign_id=campaign.pk, by="anna")

    mailings.settle_cancelled()

    seen, found = both(mailing)
    assert (seen.sent, seen.pending, seen.in_flight, seen.skipped) == (99, 100, 100, 50)
    batch, sealed = in_flight
    outcomes.settle(batch, sealed, [Verdict(Message.State.SENT)] * 100, OK)
    seen, found = both(mailing)
    assert seen.pending == 0
    assert found.by_reason(Message.State.SKIPPED) == {"cancelled": 50}


@pytest.mark.parametrize("seed", range(6))
def test_both_add_up_after_anything(newsroom: Newsroom, seed: int) -> None:
    chance = random.Random(seed)
    newsroom.add_people(20, start=5000, status="unsubscribed")
    campaign, mailing = newsroom.launched(chance.randrange(300, 900))

    def take_back() -> None:
        batch, _ = claimed(mailing)
        outcomes.put_back(batch, Attempt("Throttled", 10), wait_seconds=0)

    def halve() -> None:
        batch, sealed = claimed(mailing)
        if len(sealed.message_ids) > 1:
            regrouping.split(batch, sealed, Attempt("BatchRefused", 10))

    leaving = [(number, number + 1) for number in range(1, 300, 2)]
    steps: list[Callable[[], object]] = [
        lambda: settle(mailing, failed=chance.randrange(4), unknown=chance.randrange(4)),
        lambda: newsroom.suppress(*leaving.pop()),
        lambda: controlling.retry_failed(campaign_id=campaign.pk, by="anna"),
        take_back,
        halve,
    ]
    for _ in range(25):
        step = chance.choice(steps)
        if mailing_has_work(mailing) or step in steps[1:3]:
            step()
        both(mailing)
    if mailing_has_work(mailing):
        controlling.cancel(campaign_id=campaign.pk, by="anna")
        mailings.settle_cancelled()
    both(mailing)


def mailing_has_work(mailing: Mailing) -> bool:
    return mailing.batches.filter(state="planned").exists()


# --- What they cost, and what else they tell --------------------------------------------------


def test_each_is_one_statement(
    newsroom: Newsroom, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    _, mailing = newsroom.launched(10)

    assert count_statements(lambda: progress(mailing)) == 1
    assert count_statements(lambda: results(mailing)) == 1


def test_progress_of_a_million_recipients_reads_batches_and_pages_only(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(1)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_batch (account_id, mailing_id, state, month, size, sent, key,"
            "                        key_made_at, digest, settled_at)"
            " SELECT %s, %s, 'settled', %s, 100, 100, 'key-' || n, now(), '\\x00', now()"
            "   FROM generate_series(1, 10000) n",
            [mailing.account_id, mailing.pk, mailing.month],
        )
        cursor.execute("ANALYZE mail_batch")

    with CaptureQueriesContext(connection) as queries:
        assert progress(mailing).sent == 1_000_000
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {queries[0]['sql']}")
        (plan,) = cursor.fetchone()[0]

    # Some 3 MB, which an idle machine reads in about 5 ms.
    assert plan["Plan"]["Shared Hit Blocks"] < 1_000
    assert "mail_message" not in str(plan)


def test_calls_are_those_that_reached_out(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(100)
    for attempt in (Attempt("held"), Attempt("SurelyNotSent", 0.0), Attempt("Throttled", 12)):
        batch, _ = claimed(mailing)
        outcomes.put_back(batch, attempt, wait_seconds=0)
    settle(mailing)
    mailings.close_finished()
    mailing.refresh_from_db()

    took = effort(mailing)

    assert took.calls == 2
    assert took.ended_at == mailing.completed_at is not None


def test_differences_name_both_numbers(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(10)
    Message.objects.of(mailing).filter(pk=Message.objects.of(mailing)[0].pk).delete()

    assert differences(progress(mailing), results(mailing)) == {
        "audience": (10, 9),
        "pending": (10, 9),
    }


def test_mailing_that_is_gone_is_told(newsroom: Newsroom) -> None:
    with pytest.raises(Mailing.DoesNotExist):
        progress(Mailing(pk=10**9))

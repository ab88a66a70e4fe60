"""Claim, seal, settle: the statements that keep a batch from being sent twice or lost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import orjson
import pytest
import zstandard
from django.db import connection
from django.utils import timezone

from apps.brands.models import ProviderAccount
from apps.mail import claiming, mailings, outcomes, planning, regrouping
from apps.mail.claiming import ClaimedBatch, claim_batch
from apps.mail.errors import LeaseLostError
from apps.mail.models import Batch, BatchAttempt, BatchBody, Mailing, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.sealing import BodyMissingError, Sealed, compose, reopen, seal
from apps.queues.models import DeadLetter

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from tests.integration.mail.conftest import House

OK = Attempt("accepted", latency_ms=200)


def claim(house: House) -> ClaimedBatch:
    batch = claim_batch(account_id=house.account.pk)
    assert batch is not None
    return batch


def sealed_batch(house: House) -> tuple[ClaimedBatch, Sealed]:
    batch = claim(house)
    sealed = compose(batch)
    assert seal(batch, sealed)
    return dataclasses.replace(batch, sealed=True, key=sealed.key, attempts=1), sealed


def sent(sealed: Sealed) -> list[Verdict]:
    return [Verdict(Message.State.SENT, provider_id=f"id-{one}") for one in sealed.message_ids]


def expire_leases() -> None:
    """As if the lease of every batch had run out: the database's clock rules, so move the row."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mail_batch SET due_at = statement_timestamp() - interval '1 second'")


# --- Claiming ---------------------------------------------------------------------------------


def test_claimed_batch_is_not_claimed_again_within_its_lease(house: House) -> None:
    house.planned(150)

    first, second, third = (claim_batch(account_id=house.account.pk) for _ in range(3))

    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert third is None


def test_lease_that_ran_out_is_claimed_under_a_higher_fence(house: House) -> None:
    house.planned(10)
    first = claim(house)
    expire_leases()

    second = claim(house)

    assert second.id == first.id
    assert second.fence == first.fence + 1


def test_batch_that_somebody_let_fall_goes_before_all_that_are_untouched(house: House) -> None:
    house.planned(350)
    fallen = claim(house)
    with connection.cursor() as cursor:
        # The lease ended a moment ago; the others have been due for longer.
        cursor.execute(
            "UPDATE mail_batch SET due_at = statement_timestamp()"
            " - CASE fence WHEN 0 THEN interval '1 hour' ELSE interval '1 ms' END"
        )

    assert claim(house).id == fallen.id


def test_fallen_batch_is_found_by_its_own_index(house: House) -> None:
    house.planned(150)
    claim(house)
    parameters = {"account": house.account.pk, "single": False, "lease": 30}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; ANALYZE mail_batch")
        cursor.execute(f"EXPLAIN {claiming._CLAIM_BULK}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "batch_taken_by_mailing" in plan


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_batch_of_a_mailing_that_does_not_run_is_not_claimed(house: House, state: str) -> None:
    mailing = house.planned(10)
    Mailing.objects.filter(pk=mailing.pk).update(state=state, state_reason="by hand")

    assert claim_batch(account_id=house.account.pk) is None


def test_stopped_account_claims_nothing_new(house: House) -> None:
    house.planned(10)
    ProviderAccount.objects.update(stopped_at=timezone.now(), stopped_reason="key refused")

    assert claim_batch(account_id=house.account.pk) is None


def test_call_in_doubt_is_claimed_although_mailing_and_account_are_stopped(house: House) -> None:
    mailing = house.planned(10)
    sealed_batch(house)
    Mailing.objects.filter(pk=mailing.pk).update(state="cancelled")
    ProviderAccount.objects.update(stopped_at=timezone.now(), stopped_reason="key refused")
    expire_leases()

    batch = claim(house)

    assert batch.sealed
    assert batch.ambiguous


def test_batch_of_another_account_is_not_claimed(house: House) -> None:
    house.planned(10)
    other = ProviderAccount.objects.create(name="other", api_key="re_other")

    assert claim_batch(account_id=other.pk) is None


def test_large_mailing_does_not_starve_a_small_one(house: House) -> None:
    house.planned(1_000)
    small = house.mailing(name="small")
    planning.plan_page(mailing_id=small.pk, selection=planning.Selection())

    claimed = {claim(house).mailing_id for _ in range(16)}

    assert small.pk in claimed
    assert len(claimed) == 2


# --- Sealing ----------------------------------------------------------------------------------


def test_sealed_bytes_are_a_personal_mail_for_each(house: House) -> None:
    house.planned(3)

    _, sealed = sealed_batch(house)

    mails = orjson.loads(sealed.body)
    assert [mail["to"] for mail in mails] == [[f"p{n}@people.test"] for n in (1, 2, 3)]
    assert mails[1]["subject"] == "Hello P2"
    assert "your plan is pro" in mails[1]["html"]
    assert "1 Main Street, Town" in mails[1]["text"]
    assert mails[0]["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert {tag["name"] for tag in mails[0]["tags"]} == {"mailing", "message"}


def test_who_left_since_planning_is_skipped_at_sealing(house: House) -> None:
    mailing = house.planned(4)
    house.suppress(2)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE contacts_contact SET status = 'unsubscribed' WHERE address = %s",
            ["p3@people.test"],
        )

    _, sealed = sealed_batch(house)

    assert sealed.addresses == ["p1@people.test", "p4@people.test"]
    skipped = Message.objects.of(mailing).filter(state="skipped").order_by("pk")
    assert list(skipped.values_list("reason", flat=True)) == ["hard_bounce", "unsubscribed"]
    assert Batch.objects.get().skipped == 2


def test_batch_that_everybody_left_is_settled_without_a_call(house: House) -> None:
    mailing = house.planned(2)
    house.suppress(1, 2)
    batch = claim(house)

    seal(batch, compose(batch))

    assert Batch.objects.get().state == "settled"
    assert not BatchBody.objects.exists()
    assert mailings.close_finished() == [mailing.pk]


def test_contact_that_is_gone_is_skipped_as_erased(house: House) -> None:
    mailing = house.planned(2)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM contacts_contact WHERE address = 'p1@people.test'")

    _, sealed = sealed_batch(house)

    assert sealed.addresses == ["p2@people.test"]
    assert Message.objects.of(mailing).get(state="skipped").reason == "erased"


def test_recipient_whom_the_template_fails_fails_alone(house: House) -> None:
    house.add_people(3)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE contacts_contact SET traits = '{\"n\": 900000}' WHERE address = %s",
            ["p2@people.test"],
        )
    loop = "{% for i in (1..traits.n) %}x{% endfor %}"
    mailing = house.mailing(html=f'<p>{loop}</p><a href="{{{{ unsubscribe_url }}}}">Leave</a>')
    planning.plan_page(mailing_id=mailing.pk, selection=planning.Selection())

    _, sealed = sealed_batch(house)

    assert sealed.addresses == ["p1@people.test", "p3@people.test"]
    failed = Message.objects.of(mailing).get(state="failed")
    assert failed.reason == "template"
    assert "html" in failed.detail


def test_mailing_paused_between_claim_and_seal_is_not_sealed(house: House) -> None:
    mailing = house.planned(2)
    batch = claim(house)
    sealed = compose(batch)
    mailings.pause(mailing_id=mailing.pk, reason="wrong subject")

    assert not seal(batch, sealed)
    assert Batch.objects.get().state == "planned"
    assert not BatchBody.objects.exists()


def test_late_sealer_is_refused_by_the_fence(house: House) -> None:
    house.planned(2)
    late = claim(house)
    expire_leases()
    owner, _ = sealed_batch(house)

    assert not seal(late, compose(late))
    assert Batch.objects.get().key == owner.key


def test_late_sealer_is_refused_while_the_new_owner_has_not_sealed_yet(house: House) -> None:
    house.planned(2)
    late = claim(house)
    expire_leases()
    owner = claim(house)

    assert not seal(late, compose(late))
    assert seal(owner, compose(owner))


def test_reopened_batch_has_the_same_bytes_and_people(house: House) -> None:
    house.planned(5)
    _, sealed = sealed_batch(house)
    expire_leases()

    again = reopen(claim(house))

    assert again == dataclasses.replace(sealed, resolved=[])


def test_changed_bytes_are_never_posted(house: House) -> None:
    house.planned(5)
    sealed_batch(house)
    BatchBody.objects.update(body=bytes(BatchBody.objects.get().body)[:-4])
    expire_leases()

    with pytest.raises(BodyMissingError):
        reopen(claim(house))


def test_other_bytes_for_the_same_people_are_never_posted(house: House) -> None:
    house.planned(5)
    _, sealed = sealed_batch(house)
    other = sealed.body.replace(b"your plan", b"our plans")
    BatchBody.objects.update(body=zstandard.compress(other))
    expire_leases()

    with pytest.raises(BodyMissingError):
        reopen(claim(house))


# --- Settling ---------------------------------------------------------------------------------


def test_settled_batch_counts_what_its_messages_are(house: House) -> None:
    mailing = house.planned(3)
    batch, sealed = sealed_batch(house)
    verdicts = sent(sealed)
    verdicts[1] = Verdict(Message.State.FAILED, "refused", "bad address")

    outcomes.settle(batch, sealed, verdicts, OK)

    row = Batch.objects.get()
    assert (row.state, row.sent, row.failed, row.size) == ("settled", 2, 1, 3)
    ids = Message.objects.of(mailing).filter(state="sent").order_by("pk")
    assert list(ids.values_list("provider_id", flat=True)) == [
        f"id-{sealed.message_ids[0]}", f"id-{sealed.message_ids[2]}",
    ]  # fmt: skip
    assert BatchAttempt.objects.get().outcome == "accepted"


def test_late_settle_is_refused_by_the_fence(house: House) -> None:
    mailing = house.planned(2)
    late, sealed = sealed_batch(house)
    expire_leases()
    claim(house)

    with pytest.raises(LeaseLostError):
        outcomes.settle(late, sealed, sent(sealed), OK)

    assert Message.objects.of(mailing).filter(state="pending").count() == 2


def test_batch_is_settled_once(house: House) -> None:
    house.planned(2)
    batch, sealed = sealed_batch(house)
    outcomes.settle(batch, sealed, sent(sealed), OK)

    with pytest.raises(LeaseLostError):
        outcomes.settle(batch, sealed, sent(sealed), OK)

    assert Batch.objects.get().sent == 2


def test_doubt_keeps_bytes_and_key(house: House) -> None:
    house.planned(2)
    batch, sealed = sealed_batch(house)

    outcomes.try_same_again(batch, Attempt("Ambiguous", error="timeout"), doubt=True)

    row = Batch.objects.get()
    assert (row.state, row.key, row.ambiguous) == ("calling", sealed.key, True)
    assert row.due_at > timezone.now()


def test_what_was_surely_not_sent_is_unsealed(house: House) -> None:
    house.planned(2)
    batch, _ = sealed_batch(house)

    outcomes.put_back(batch, Attempt("Throttled"), wait_seconds=0, throttled=True)

    row = Batch.objects.get()
    assert (row.state, row.key, row.throttles) == ("planned", "", 1)
    assert not BatchBody.objects.exists()


def test_what_may_have_been_sent_before_is_not_unsealed(house: House) -> None:
    house.planned(2)
    _, sealed = sealed_batch(house)
    expire_leases()
    again = claim(house)

    outcomes.put_back(again, Attempt("Throttled"), wait_seconds=0, throttled=True)

    row = Batch.objects.get()
    assert (row.state, row.key) == ("calling", sealed.key)
    assert BatchBody.objects.exists()


def test_giving_up_opens_a_dead_letter_with_the_reason(house: House) -> None:
    mailing = house.planned(2)
    batch, sealed = sealed_batch(house)

    outcomes.settle_all(
        batch,
        sealed,
        Verdict(Message.State.UNKNOWN, "key_expired"),
        Attempt("unknown"),
        letter=True,
    )

    letter = DeadLetter.objects.get()
    assert (letter.subject, letter.subject_id) == ("mail.batch", batch.id)
    assert letter.reason == "key_expired"
    assert Message.objects.of(mailing).filter(state="unknown").count() == 2


# --- Splitting and retrying -------------------------------------------------------------------


def test_refused_batch_is_split_into_its_halves(house: House) -> None:
    mailing = house.planned(5)
    batch, sealed = sealed_batch(house)

    regrouping.split(batch, sealed, Attempt("BatchRefused", error="422 validation_error"))

    children = Batch.objects.filter(state="planned").order_by("pk")
    assert [child.size for child in children] == [2, 3]
    assert [child.messages.count() for child in children] == [2, 3]
    assert Batch.objects.get(state="split").size == 0
    assert Message.objects.of(mailing).filter(state="pending").count() == 5
    assert not BatchBody.objects.exists()


def test_retry_takes_only_the_failed_and_keeps_the_counts_true(house: House) -> None:
    mailing = house.planned(4)
    batch, sealed = sealed_batch(house)
    verdicts = sent(sealed)
    verdicts[0] = Verdict(Message.State.FAILED, "refused")
    verdicts[3] = Verdict(Message.State.FAILED, "unreachable")
    outcomes.settle(batch, sealed, verdicts, OK)
    mailings.close_finished()

    assert regrouping.retry_failed(mailing_id=mailing.pk, reasons=["refused"]) == 1

    mailing.refresh_from_db()
    assert mailing.state == "running"
    old, fresh = Batch.objects.order_by("pk")
    assert (old.size, old.sent, old.failed) == (3, 2, 1)
    assert (fresh.size, fresh.state, fresh.key) == (1, "planned", "")
    assert compose(claim(house)).addresses == ["p1@people.test"]


def test_cancelled_mailing_gives_every_pending_message_its_end(house: House) -> None:
    mailing = house.planned(250)
    batch, sealed = sealed_batch(house)
    mailings.cancel(mailing_id=mailing.pk, reason="sent too early")

    assert mailings.settle_cancelled() == 2
    outcomes.settle(batch, sealed, sent(sealed), OK)

    messages = Message.objects.of(mailing)
    assert messages.filter(state="sent").count() == len(sealed.message_ids)
    assert messages.filter(state="skipped", reason="cancelled").count() == 250 - len(
        sealed.message_ids
    )
    assert not messages.filter(state="pending").exists()


def test_mailing_is_complete_when_nothing_is_left_to_do(house: House) -> None:
    mailing = house.planned(150)
    assert mailings.close_finished() == []
    for _ in range(2):
        batch, sealed = sealed_batch(house)
        outcomes.settle(batch, sealed, sent(sealed), OK)

    assert mailings.close_finished() == [mailing.pk]
    assert mailings.close_finished() == []


@pytest.mark.parametrize("number", [2, 100])
def test_batch_costs_four_statements_whatever_its_size(
    house: House, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    house.planned(number + 1)
    Batch.objects.all().delete()
    mailing = house.mailing(name="again")
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM contacts_contact WHERE address = %s", [f"p{number + 1}@people.test"]
        )
    planning.plan_page(mailing_id=mailing.pk, selection=planning.Selection())
    compose(claim(house))  # what the mailing's mails have in common is read once
    expire_leases()

    with django_assert_num_queries(4):
        batch, sealed = sealed_batch(house)
        outcomes.settle(batch, sealed, sent(sealed), OK)

"""Texts from their reservation to their outcome, against the stand-in for Lime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apps.queues import dead_letters
from apps.queues.broker import process_broker
from apps.queues.errors import NotRedrivableError
from apps.queues.models import DeadLetter
from apps.sms.calling import doubts, due, sending, singles
from apps.sms.calling.claiming import Chunk, claim_chunk, reap_lapsed
from apps.sms.calling.recording import Mark, Outcome, record
from apps.sms.lime import Kind
from apps.sms.models import PhoneSuppression, SentText, Subscriber, Subscription, TextConfig

if TYPE_CHECKING:
    from tests.integration.sms.conftest import Ground

pytestmark = pytest.mark.django_db


def send(ground: Ground) -> int:
    return sending.send_texts(account_id=ground.account.pk, turn_seconds=10)


@pytest.mark.parametrize("transport", ["single", "bulk"])
def test_texts_are_sent_once_each_and_in_their_words(ground: Ground, transport: str) -> None:
    TextConfig.objects.filter(brand=ground.brand).update(transport=transport)
    ground.reserve(250)

    calls = send(ground)

    assert ground.states() == {"sent": 250}
    assert ground.chunks() == {"done": 3}
    assert calls == (250 if transport == "single" else 3)
    texts = list(ground.lime.accepted())
    assert len({text.mobile for text in texts}) == len(texts) == 250
    assert {(text.message, text.shortcode) for text in texts} == {("Hello Ann", "71441")}


def test_words_may_use_what_is_known_of_the_person(ground: Ground) -> None:
    ground.message.body = "{{ subscriber.first_name }} in {{ subscriber.traits.city }}"
    ground.message.save()
    ground.reserve(1)
    Subscriber.objects.update(traits={"city": "Turin"})

    send(ground)

    assert [text.message for text in ground.lime.accepted()] == ["Ann in Turin"]


def test_statements_of_a_chunk_are_few_and_their_number_does_not_grow(ground: Ground) -> None:
    ground.reserve(300)
    send(ground)  # connections, caches and the window's state are there afterwards

    counts = []
    for prefix, number in (("12126", 100), ("12127", 200)):
        ground.reserve(number, prefix=prefix)
        with CaptureQueriesContext(connection) as captured:
            send(ground)
        own = [one["sql"] for one in captured if "sms_senttext" in one["sql"]]
        counts.append(len([sql for sql in own if "lapsed" not in sql]))

    # The last look, which finds nothing, belongs to no chunk.
    assert counts[0] - 1 <= 8
    assert counts[1] - 1 <= 2 * 8
    assert ground.states() == {"sent": 600}


def test_statements_of_chunks_are_planned_once(ground: Ground) -> None:
    ground.reserve(1_000)

    send(ground)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_or(statement LIKE '%%settled AS%%'), bool_or(statement LIKE '%%due AS%%'),"
            "       sum(generic_plans) > 0 FROM pg_prepared_statements"
        )
        assert cursor.fetchone() == (True, True, True)


def test_doubtful_answers_make_texts_unknown_and_are_not_repeated(ground: Ground) -> None:
    ground.lime.configure(faults={"reset_after": 0.1, "500_after": 0.1, "garbage": 0.1})
    ground.reserve(100)

    send(ground)
    send(ground)

    states = ground.states()
    assert states["unknown"] > 10
    assert states["sent"] + states["unknown"] == 100
    assert len(set(ground.accepted())) == len(ground.accepted())
    letter = DeadLetter.objects.open().get(subject=doubts.DEAD_LETTER_SUBJECT)
    assert letter.reason == doubts.IN_DOUBT


def test_numbers_that_are_refused_fail_with_the_reason(ground: Ground) -> None:
    TextConfig.objects.filter(brand=ground.brand).update(transport="bulk")
    ground.lime.configure(refused={"12125000003": 107, "12125000007": 108, "12125000009": 111})
    ground.reserve(10)

    send(ground)

    assert ground.states() == {"sent": 7, "failed": 2, "unknown": 1}
    assert ground.reasons() == {"invalid_number": 1, "not_opted_in": 1, "send_error": 1}


def test_an_account_that_is_refused_is_stopped_and_nothing_is_lost(ground: Ground) -> None:
    ground.account.api_key = "another-key"
    ground.account.save()
    ground.reserve(60)

    send(ground)

    ground.account.refresh_from_db()
    assert ground.account.stopped_reason.startswith("unknown_user")
    assert ground.states() == {"reserved": 60}
    assert ground.chunks() == {"waiting": 1}
    assert send(ground) == 0


def test_a_provider_that_cannot_be_reached_costs_attempts_and_no_text(
    ground: Ground, settings: Any
) -> None:
    settings.LIME_API_URL = "http://127.0.0.1:9"
    ground.reserve(20)

    send(ground)

    assert ground.states() == {"reserved": 20}
    with connection.cursor() as cursor:
        cursor.execute("SELECT attempts, state FROM sms_textchunk")
        assert cursor.fetchall() == [(1, "waiting")]


def test_texts_given_up_as_unreachable_can_be_driven_again(ground: Ground, settings: Any) -> None:
    url = settings.LIME_API_URL
    settings.LIME_API_URL = "http://127.0.0.1:9"
    ground.reserve(5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sms_textchunk SET attempts = 19")
    send(ground)
    assert ground.reasons() == {"unreachable": 5}
    letter = DeadLetter.objects.open().get(subject=doubts.DEAD_LETTER_SUBJECT)
    settings.LIME_API_URL = url

    dead_letters.redrive(letter_id=letter.pk, by="ann")
    process_broker().flushall()  # and with it the breaker
    send(ground)

    assert ground.states() == {"sent": 5}
    with pytest.raises(NotRedrivableError):
        doubts.redrive_chunk(letter.subject_id or 0)


def test_a_paused_brand_is_not_claimed(ground: Ground) -> None:
    ground.reserve(20)
    TextConfig.objects.filter(brand=ground.brand).update(sending=False)

    assert send(ground) == 0
    assert ground.states() == {"reserved": 20}
    assert list(due.due_texts()) == []


def test_people_who_left_meanwhile_get_nothing(ground: Ground) -> None:
    ground.reserve(5)
    phones = [f"+1212500000{place}" for place in range(5)]
    Subscriber.objects.filter(phone=phones[0]).update(status="OPTOUT")
    Subscription.objects.filter(subscriber__phone=phones[1]).update(
        active=False, opted_out_at=Now()
    )
    PhoneSuppression.objects.create(phone=phones[2], reason="stop")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sms_senttext SET until_at = now() - interval '1 s' WHERE phone = %s",
            [phones[3]],
        )

    send(ground)

    assert ground.states() == {"sent": 1, "skipped": 3, "expired": 1}
    assert ground.accepted() == ["12125000004"]


def test_what_a_dead_worker_was_calling_is_in_doubt_and_the_rest_goes_on(ground: Ground) -> None:
    ground.reserve(100)
    chunk = claim_chunk(account_id=ground.account.pk)
    assert chunk is not None
    calling = [Mark(chunk, text.id, 0, 1) for text in chunk.texts[:7]]
    assert len(record([], calling, [])) == 7
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sms_textchunk SET due_at = now() - interval '1 s'")

    send(ground)

    assert ground.states() == {"sent": 93, "unknown": 7}
    assert ground.reasons() == {"worker_lost": 7}
    (doubt,) = doubts.in_doubt()
    assert (doubt.chunk_id, doubt.texts) == (chunk.id, 7)


def marks_of(chunk: Chunk) -> list[Mark]:
    return [Mark(chunk, text.id, place, 1) for place, text in enumerate(chunk.texts)]


def claimed(ground: Ground) -> Chunk:
    chunk = claim_chunk(account_id=ground.account.pk)
    assert chunk is not None
    return chunk


def let_leases_end() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sms_textchunk SET due_at = now() - interval '1 s'")
    reap_lapsed()


def test_who_lost_the_lease_marks_nothing(ground: Ground) -> None:
    ground.reserve(10)
    slow = claimed(ground)
    let_leases_end()
    quick = claimed(ground)

    assert record([], marks_of(slow), []) == set()
    assert len(record([], marks_of(quick), [])) == 10


def test_outcomes_written_twice_touch_nobody_elses_call(ground: Ground) -> None:
    ground.reserve(10)
    first = claimed(ground)
    record([], marks_of(first), [])
    first.back = 10
    not_sent = [Outcome(first, text.id, SentText.State.RESERVED) for text in first.texts]
    record(not_sent, [], [first])
    second = claimed(ground)
    record([], marks_of(second), [])

    record(not_sent, [], [first])

    assert ground.states() == {"calling": 10}
    assert ground.chunks() == {"working": 1}


def test_a_pause_holds_for_the_next_marks_of_a_claimed_chunk(ground: Ground) -> None:
    ground.reserve(10)
    chunk = claimed(ground)

    TextConfig.objects.filter(brand=ground.brand).update(sending=False)

    assert record([], marks_of(chunk), []) == set()
    assert ground.states() == {"reserved": 10}


def test_an_answer_that_came_after_the_lease_resolves_the_doubt(ground: Ground) -> None:
    ground.reserve(3)
    slow = claim_chunk(account_id=ground.account.pk)
    assert slow is not None
    record([], [Mark(slow, text.id, 0, 1) for text in slow.texts], [])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sms_textchunk SET due_at = now() - interval '1 s'")
    reap_lapsed()
    assert ground.states() == {"unknown": 3}

    sent = SentText.State.SENT
    record([Outcome(slow, text.id, sent) for text in slow.texts[:2]], [], [])

    assert ground.states() == {"sent": 2, "unknown": 1}


def test_a_person_says_what_became_of_texts_in_doubt(ground: Ground) -> None:
    ground.lime.configure(faults={"reset_after": 1.0})
    ground.reserve(4)
    send(ground)
    (doubt,) = doubts.in_doubt()
    first = SentText.objects.order_by("pk").values_list("pk", "local_day")[0]

    assert doubts.settle_proven(text_id=first[0], local_day=first[1], proof="clicked")
    number = doubts.resolve(
        chunk_id=doubt.chunk_id, as_=doubts.Resolution.NOT_SENT, by="ann", note="looked it up"
    )

    assert number == 3
    assert ground.states() == {"sent": 1, "failed": 3}
    assert not DeadLetter.objects.open().exists()
    assert send(ground) == 0


@pytest.mark.parametrize("transport", ["single", "bulk"])
def test_numbers_are_asked_about_where_that_is_switched_on(ground: Ground, transport: str) -> None:
    TextConfig.objects.filter(brand=ground.brand).update(transport=transport, check_per_number=True)
    ground.lime.configure(lists={"71441": "50"})
    ground.reserve(3)
    ground.lime.happen("optin", "12125000001", list_id="71441")

    send(ground)

    assert ground.states() == {"sent": 1, "skipped": 2}
    assert ground.accepted() == ["12125000001"]


def test_one_text_by_itself(ground: Ground) -> None:
    verdict = singles.send_one(
        account=ground.account, shortcode="71441", phone="+12125550100", body="You are out."
    )

    assert verdict.kind is Kind.ACCEPTED
    assert ground.accepted() == ["12125550100"]

"""Subscribing: what each kind of person gets, that nobody is told apart, that nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.contacts import erasing, suppressing
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    Contact,
    ContactStatus,
    SuppressionOrigin,
    SuppressionReason,
    TopicState,
    TopicSubscription,
)
from apps.mail.models import Message
from apps.newsletter import join_requests, pruning
from apps.newsletter.models import (
    CacheInvalidation,
    ContactSubmission,
    JoinRequest,
    OptIn,
    SegmentWish,
    Tier,
)
from apps.queues.models import DeadLetter
from tests.factories.contacts import ContactFactory, TopicFactory, TopicSubscriptionFactory
from tests.factories.mail import TemplateFactory

if TYPE_CHECKING:
    from tests.integration.newsletter.conftest import Door

ANNA = "anna@people.example"


def people(door: Door) -> dict[str, str]:
    """An address of each kind."""
    kinds = {
        "unknown": "unknown@people.example",
        "subscribed": "subscribed@people.example",
        "pending": "pending@people.example",
        "unsubscribed": "unsubscribed@people.example",
        "suppressed": "suppressed@people.example",
        "erased": "erased@people.example",
    }
    for kind in ("subscribed", "pending", "unsubscribed"):
        ContactFactory.create(brand=door.brand, email=kinds[kind], status=kind)
    suppressing.suppress(
        address=kinds["suppressed"],
        reason=SuppressionReason.HARD_BOUNCE,
        origin=SuppressionOrigin.PROVIDER,
        now=timezone.now(),
    )
    gone = ContactFactory.create(brand=door.brand, email=kinds["erased"])
    erasing.erase_person(contact_id=gone.pk, origin=SuppressionOrigin.OPERATOR, now=timezone.now())
    return kinds


def shape(statements: list[dict[str, str]]) -> list[str]:
    plain = [one["sql"].split("VALUES")[0].split("WHERE")[0] for one in statements]
    return [one for one in plain if "SAVEPOINT" not in one]


# --- Nobody is told apart -----------------------------------------------------------------------


def test_answer_and_work_are_the_same_for_every_address(door: Door) -> None:
    door.subscribe("warm@people.example")
    answers, work = [], []

    for address in people(door).values():
        with CaptureQueriesContext(connection) as asked:
            answer = door.subscribe(address)
        answers.append((answer.status, answer.body, sorted(answer.headers)))
        work.append(shape(asked.captured_queries))

    assert answers == [(202, {"object": "subscription", "status": "accepted"}, answers[0][2])] * 6
    assert work == [work[0]] * 6
    assert not any("contacts_" in statement for statement in work[0])


def test_each_gets_what_is_right_for_them(door: Door) -> None:
    kinds = people(door)

    for address in kinds.values():
        door.join(address)

    # The suppressed one's mail is skipped where all mail is (`sealing`), with its reason.
    asked = {address for stream, address in door.mails()}
    assert asked == {kinds[one] for one in ("unknown", "pending", "unsubscribed", "suppressed")}
    statuses = dict(Contact.objects.values_list("address", "status"))
    assert kinds["erased"] not in statuses
    assert statuses[kinds["unsubscribed"]] == ContactStatus.UNSUBSCRIBED
    assert statuses[kinds["unknown"]] == ContactStatus.PENDING


# --- Double opt-in ------------------------------------------------------------------------------


def test_wish_is_kept_with_its_evidence(door: Door) -> None:
    door.client.defaults["HTTP_X_FORWARDED_FOR"] = "203.0.113.9"

    contact = door.join(ANNA, text_shown="Yes, news!", page="/footer", first_name="Anna")

    assert contact is not None
    record = ConsentRecord.objects.get(contact=contact)
    assert (record.kind, record.source) == (ConsentKind.SUBSCRIBED, "form")
    assert (record.text_shown, record.detail, record.ip) == ("Yes, news!", "/footer", "203.0.113.9")
    assert (contact.status, contact.first_name) == (ContactStatus.PENDING, "Anna")
    assert door.mails() == [("confirm: confirmation-en", ANNA)]
    assert not JoinRequest.objects.exists()


def test_somebody_subscribed_gets_no_mail_and_joins_only_new_topics(door: Door) -> None:
    contact = ContactFactory.create(brand=door.brand, email=ANNA, status="subscribed")
    TopicFactory.create(brand=door.brand, slug="new")
    left = TopicFactory.create(brand=door.brand, slug="left")
    TopicSubscriptionFactory.create(contact=contact, topic=left, state=TopicState.OPT_OUT)

    door.join(ANNA, topics=["new", "left"])

    states = dict(TopicSubscription.objects.values_list("topic__slug", "state"))
    assert states == {"new": TopicState.OPT_IN, "left": TopicState.OPT_OUT}
    assert door.mails() == []
    assert SegmentWish.objects.get(contact=contact).topics_version == 1


def test_fifty_posts_make_few_mails(door: Door) -> None:
    for _ in range(50):
        door.subscribe(ANNA)
    join_requests.work_joins(turn_seconds=60)

    assert len(door.mails()) == 3

    OptIn.objects.update(window_started_at=timezone.now() - timedelta(hours=25))
    door.join(ANNA)
    assert len(door.mails()) == 4


# --- Without ------------------------------------------------------------------------------------


def test_without_double_opt_in_the_wish_holds_at_once(door: Door) -> None:
    news = TopicFactory.create(brand=door.brand, slug="news")
    template = TemplateFactory.create(brand=door.brand, slug="hello")
    door.change(double_opt_in=False, welcome_template=template)
    door.rules.default_topics.add(news)
    Tier.objects.create(brand=door.brand, slug="new", name="New", min_score=0, segment_id="seg_new")

    contact = door.join(ANNA)

    assert contact is not None
    assert contact.status == ContactStatus.SUBSCRIBED
    assert TopicSubscription.objects.filter(contact=contact, topic=news, state="opt_in").exists()
    assert door.mails() == [("welcome: hello", ANNA)]
    assert Message.objects.get().mailing.mail_class == "commercial"
    wish = SegmentWish.objects.get(contact=contact)
    assert (wish.topics_version, wish.target_segment, wish.mode) == (1, "seg_new", "initial")
    assert CacheInvalidation.objects.filter(brand=door.brand, state="waiting").count() == 1


def test_asking_again_without_double_opt_in_changes_nothing(door: Door) -> None:
    TopicFactory.create(brand=door.brand, slug="news")
    door.change(double_opt_in=False)

    for _ in range(3):
        door.join(ANNA, topics=["news"])

    assert SegmentWish.objects.get().topics_version == 1
    assert ConsentRecord.objects.count() == 2  # subscribed, and joined the topic


# --- Nothing is lost ----------------------------------------------------------------------------


def test_wish_that_cannot_be_worked_is_tried_again_then_dead_lettered(
    door: Door, settings: Any
) -> None:
    settings.RETRY_BASE_SECONDS = settings.RETRY_CAP_SECONDS = 0
    door.sender.delete()
    door.subscribe(ANNA)

    join_requests.work_joins()

    request = JoinRequest.objects.get()
    letter = DeadLetter.objects.get(subject=join_requests.SUBJECT)
    assert (request.attempts, request.due_at) == (join_requests.ATTEMPTS, None)
    assert (letter.subject_id, letter.brand_id) == (request.pk, door.brand.pk)
    assert "NoSenderError" in letter.error
    assert not Contact.objects.filter(address=ANNA).exists()
    assert list(join_requests.due_joins()) == []

    join_requests.redrive(request.pk)
    assert [due.units for due in join_requests.due_joins()] == [1]


def test_broker_that_is_away_loses_nothing(door: Door, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    answer = door.subscribe(ANNA)

    assert answer.status == 202
    assert [due.units for due in join_requests.due_joins()] == [1]


def test_what_is_over_is_deleted_after_its_time(door: Door) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    for age in (timezone.now(), long_ago):
        CacheInvalidation.objects.create(
            brand=door.brand, tags=["x"], state="done", settled_at=age, created_at=age
        )
        JoinRequest.objects.create(
            brand=door.brand, email=ANNA, source="form", asked_at=age, due_at=None
        )
        ContactSubmission.objects.create(
            brand=door.brand, state="kept", email=ANNA, address=ANNA, message="x", created_at=age
        )
    JoinRequest.objects.create(
        brand=door.brand, email=ANNA, source="form", asked_at=long_ago, due_at=long_ago
    )

    assert pruning.prune_joining() == 3

    assert (CacheInvalidation.objects.count(), ContactSubmission.objects.count()) == (1, 1)
    assert JoinRequest.objects.count() == 2  # one that still waits is never old


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "no-address"}, "email"),
        ({"email": ANNA, "topics": ["nothing"]}, "topics"),
        ({"email": ANNA, "locale": "xx_notalocale!"}, "locale"),
        ({"email": ANNA, "colour": "red"}, "colour"),
        ({"email": ANNA, "ip": "203.0.113.9"}, "ip"),
        ({}, "email"),
    ],
)
def test_bad_input_is_told_by_field(door: Door, body: dict[str, Any], field: str) -> None:
    answer = door.post("subscribe", {"brand": "harbour", **body})

    assert (answer.status, list(answer.body["errors"])) == (422, [field])
    assert not JoinRequest.objects.exists()


def test_topics_that_are_not_public_are_for_programs(door: Door) -> None:
    TopicFactory.create(brand=door.brand, slug="inner", is_public=False)
    body = {"email": ANNA, "topics": ["inner"]}

    by_page = door.post("subscribe", {"brand": "harbour", **body})
    by_program = door.post("subscribe", {**body, "ip": "2001:db8::1"}, by_key=True)

    assert (by_page.status, by_program.status) == (422, 202)
    request = JoinRequest.objects.get()
    assert (request.source, request.ip) == ("api", "2001:db8::1")

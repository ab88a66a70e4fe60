"""Events come at least once and in no promised order: any way round, the row ends up the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.contacts.models import Contact, Suppression
from apps.mail.events import applying
from apps.mail.events.applying import apply_events
from apps.mail.models import Batch, Click, DeliveryEvent, Message, Open
from apps.mail.outcomes import Attempt, Verdict, settle
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.events.test_applying import calling, settled

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House

START = datetime.now(tz=UTC).replace(microsecond=0) - timedelta(hours=1)
# A mail's whole life, and more than ever happens to one: type and minute.
COURSE = [
    ("email.scheduled", 0),
    ("email.sent", 1),
    ("email.delivery_delayed", 2),
    ("email.delivery_delayed", 5),
    ("email.opened", 6),  # before it was delivered: by a machine, once that is known
    ("email.delivered", 7),
    ("email.opened", 7),  # the same
    ("email.clicked", 7),
    ("email.opened", 8),
    ("email.opened", 11),
    ("email.clicked", 9),
    ("email.failed", 10),
    ("email.bounced", 12),
    ("email.complained", 13),
]
COLUMNS = (
    "state", "reason", "provider_id", "delivery", "delivery_at", "opened_at", "clicked_at",
    "machine_opened_at", "machine_clicked_at",
)  # fmt: skip
# Some of the events, in any order, with doubles, cut into pages anywhere.
deliveries = st.lists(st.sampled_from(COURSE) | st.just(("", 0)), min_size=1, max_size=20).map(
    lambda drawn: [one for one in drawn if one[0]] and drawn
)

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def deliver(house: House, message: Message, course: list[tuple[str, int]]) -> None:
    """An empty type is where a page ends."""
    for type_, minute in course:
        if not type_:
            apply_events()
            continue
        at = START + timedelta(minutes=minute)
        arrive(house.account, body(type_, message, at=at, bounce={"type": "Permanent"}))
    apply_events()


def ends_up(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = Message.objects.filter(pk=message.pk).values(*COLUMNS).get()
    return found


def reset(message: Message) -> None:
    Message.objects.filter(month=message.month, pk=message.pk).update(
        state=message.state, reason=message.reason, provider_id=message.provider_id,
        delivery=message.delivery, delivery_at=None, opened_at=None, clicked_at=None,
        delivered_at=None, machine_opened_at=None, machine_clicked_at=None,
        settled_at=message.settled_at,
    )  # fmt: skip
    Open.objects.all().delete()
    Click.objects.all().delete()
    DeliveryEvent.objects.all().delete()
    Suppression.objects.all().delete()


def expected(message: Message, course: list[tuple[str, int]]) -> dict[str, Any]:
    """Told from the set of events alone: no order, no doubles."""
    ranks = {
        "email.delivery_delayed": 20, "email.delivered": 30, "email.failed": 35,
        "email.bounced": 40, "email.complained": 50,
    }  # fmt: skip
    events = {one for one in course if one[0]}

    def first(*types: str) -> datetime | None:
        minutes = [minute for type_, minute in events if type_ in types]
        return START + timedelta(minutes=min(minutes)) if minutes else None

    delivered = first("email.delivered")

    def visit(type_: str, *, machine: bool) -> datetime | None:
        moments = [START + timedelta(minutes=minute) for one, minute in events if one == type_]
        return min(
            (at for at in moments if (delivered is not None and at <= delivered) is machine),
            default=None,
        )

    highest = max((ranks.get(type_, 10) for type_, _ in events), default=message.delivery)
    dated = [type_ for type_, _ in events if type_ not in {"email.opened", "email.clicked"}]
    return {
        "state": "sent" if events else message.state,
        "reason": "" if events else message.reason,
        "provider_id": f"id-{message.pk}" if events else message.provider_id,
        "delivery": max(highest, message.delivery),
        "delivery_at": first(*(type_ for type_ in dated if ranks.get(type_, 10) == highest)),
        "opened_at": visit("email.opened", machine=False),
        "clicked_at": visit("email.clicked", machine=False),
        "machine_opened_at": visit("email.opened", machine=True),
        "machine_clicked_at": visit("email.clicked", machine=True),
    }


@quick
@given(course=deliveries)
def test_order_and_doubles_do_not_matter(house: House, course: list[tuple[str, int]]) -> None:
    message = Message.objects.first() or settled(house)[0]
    message.state, message.reason, message.delivery = "sent", "", 10
    reset(message)

    deliver(house, message, course)

    assert ends_up(message) == expected(message, course)
    suppressed = {type_ for type_, _ in course} & {"email.bounced", "email.complained"}
    assert Suppression.objects.count() == len(suppressed)


@quick
@given(course=deliveries)
def test_unknown_message_is_counted_once_in_any_order(
    house: House, course: list[tuple[str, int]]
) -> None:
    message = Message.objects.first()
    if message is None:
        [message] = settled(house, state=Message.State.UNKNOWN, reason="key_expired")
    message.state, message.reason, message.provider_id, message.delivery = "unknown", "x", "", 0
    reset(message)
    Batch.objects.update(state="unknown", sent=0, unknown=1)

    deliver(house, message, course)

    assert ends_up(message) == expected(message, course)
    batch = Batch.objects.get()
    proved = any(type_ for type_, _ in course)
    assert (batch.state, batch.sent, batch.unknown) == (
        ("settled", 1, 0) if proved else ("unknown", 0, 1)
    )


@quick
@given(course=deliveries, settled_after=st.integers(0, 20))
def test_settling_may_come_at_any_moment_between(
    house: House, course: list[tuple[str, int]], settled_after: int
) -> None:
    Message.objects.all().delete()
    Open.objects.all().delete()
    Click.objects.all().delete()
    Batch.objects.all().delete()
    DeliveryEvent.objects.all().delete()
    Suppression.objects.all().delete()
    Contact.objects.all().delete()
    _, batch, sealed = calling(house)
    message = Message.objects.get()

    deliver(house, message, course[:settled_after])
    verdict = Verdict(Message.State.SENT, provider_id=f"id-{message.pk}")
    settle(batch, sealed, [verdict], Attempt("accepted"))
    deliver(house, message, course[settled_after:])

    message.state, message.provider_id, message.delivery = "sent", f"id-{message.pk}", 10
    assert ends_up(message) == expected(message, course)
    assert Batch.objects.get().sent == 1
    assert applying.apply_events() == 0

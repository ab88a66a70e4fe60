"""Machines that open and click: known by who they are, by their haste, by many links at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from apps.mail.events import machines
from apps.mail.events.applying import apply_events
from apps.mail.events.machines import Recogniser
from apps.mail.models import Click, MachineRule, Message
from apps.mail.reports.figures import fold_changes, of_mailings
from apps.mail.reports.links import links_clicked
from tests.integration.mail.events.deliveries import arrive, body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.mail.conftest import House

DELIVERED = datetime.now(tz=UTC).replace(microsecond=0) - timedelta(hours=1)
APPLE = "Mozilla/5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
MACHINE, PERSON = "machine_", ""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def _rules_are_read_anew() -> Iterator[None]:
    machines.forget_rules()
    yield
    machines.forget_rules()


@pytest.fixture
def message(house: House) -> Message:
    return house.planned(1).messages.get()


def tell(house: House, message: Message, type_: str, after: float, **visit: Any) -> None:
    """Something that happened so many seconds after the delivery."""
    data = {"click" if type_ == "clicked" else "open": visit} if visit else {}
    at = DELIVERED + timedelta(seconds=after)
    arrive(house.account, body(f"email.{type_}", message, at=at, **data))


def seen(message: Message) -> dict[str, float | None]:
    """When each thing happened first, in seconds after the delivery."""
    found = Message.objects.get(pk=message.pk)
    names = ("opened_at", "clicked_at", "machine_opened_at", "machine_clicked_at")
    moments = {name: getattr(found, name) for name in names}
    return {
        name: (at - DELIVERED).total_seconds() for name, at in moments.items() if at is not None
    }


def test_haste_is_a_machines_and_the_first_of_a_person_counts(
    house: House, message: Message
) -> None:
    tell(house, message, "delivered", 0)
    for after in (1, 90, 30):
        tell(house, message, "opened", after)
    apply_events()

    assert seen(message) == {"opened_at": 30, "machine_opened_at": 1}


def test_open_turns_into_a_machines_once_the_delivery_is_told(
    house: House, message: Message
) -> None:
    tell(house, message, "opened", -3)
    apply_events()
    before = seen(message)
    tell(house, message, "delivered", 0)
    apply_events()
    fold_changes()

    assert (before, seen(message)) == ({"opened_at": -3}, {"machine_opened_at": -3})
    figures = {k: n for k, n in of_mailings([message.mailing_id])[message.mailing_id].items() if n}
    assert figures == {"delivered": 1, "auto_opened": 1}


@pytest.mark.parametrize(
    ("visit", "after", "whose"),
    [
        ({"userAgent": APPLE}, 600, MACHINE),
        ({"userAgent": FIREFOX}, 600, PERSON),
        ({"userAgent": GMAIL}, 5, MACHINE),
        ({"userAgent": GMAIL}, 600, PERSON),
        ({"userAgent": "Barracuda Sentinel (EE)"}, 600, MACHINE),
        ({"ipAddress": "40.92.1.1", "userAgent": FIREFOX}, 600, MACHINE),
        ({"ipAddress": "2a01:111:f400::5"}, 600, MACHINE),
        ({"ipAddress": "198.51.100.7", "userAgent": FIREFOX}, 600, PERSON),
        ({"ipAddress": "no address", "userAgent": 7}, 600, PERSON),
    ],
)
def test_known_machines_are_recognised(
    house: House, message: Message, visit: dict[str, Any], after: float, whose: str
) -> None:
    tell(house, message, "delivered", 0)
    tell(house, message, "clicked", after, link="https://shop.example/", **visit)
    tell(house, message, "opened", after, **visit)
    apply_events()

    assert seen(message) == {f"{whose}opened_at": after, f"{whose}clicked_at": after}


def test_several_links_within_a_second_are_a_scanners(house: House, message: Message) -> None:
    tell(house, message, "delivered", 0)
    for link, after in (("a", 60), ("b", 60.4), ("c", 60.8), ("a", 300), ("a", 300.2)):
        tell(house, message, "clicked", after, link=f"https://shop.example/{link}")
        apply_events()

    assert seen(message) == {"clicked_at": 300, "machine_clicked_at": 60}
    assert (
        sorted(Click.objects.values_list("machine", flat=True)) == ["", ""] + [machines.BURST] * 3
    )


def test_links_and_figures_keep_machines_apart(house: House, message: Message) -> None:
    tell(house, message, "delivered", 0)
    tell(house, message, "clicked", 1, link="https://shop.example/a")
    tell(house, message, "clicked", 100, link="https://shop.example/a")
    apply_events()
    fold_changes()

    [link] = links_clicked(message.mailing)
    assert (link.people, link.clicks, link.machines) == (1, 1, 1)
    figures = of_mailings([message.mailing_id])[message.mailing_id]
    assert (figures["clicked"], figures["auto_clicked"]) == (1, 1)


def test_rule_that_always_holds_goes_before_one_that_waits() -> None:
    rules = [
        MachineRule(pk=1, kind="agent_has", pattern="proxy", name="proxy", within_seconds=10),
        MachineRule(pk=2, kind="network", pattern="192.0.2.0/24", name="scanner"),
    ]
    recogniser = Recogniser(rules, haste=2)

    both = recogniser.suspect(agent="a Proxy", ip="192.0.2.9")
    proxy = recogniser.suspect(agent="a Proxy", ip="")

    assert (both.machine, proxy.machine, proxy.haste) == ("scanner", "", 10)


def test_rule_that_is_no_network_stops_nobody() -> None:
    broken = MachineRule(pk=1, kind="network", pattern="everywhere", name="broken")

    assert Recogniser([broken], haste=2).suspect(agent="", ip="192.0.2.1").machine == ""

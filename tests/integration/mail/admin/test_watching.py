"""A launched campaign's page: numbers that are true, steering by who may, results after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.brands.rights import Right
from apps.mail.events.applying import apply_events
from apps.mail.models import Mailing, Message
from tests.factories.brands import BrandFactory
from tests.factories.campaigns import CampaignFactory
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.reports.conftest import settle

if TYPE_CHECKING:
    from django.test import Client

    from apps.campaigns.models import Campaign
    from tests.integration.mail.admin.conftest import LogIn
    from tests.integration.mail.conftest import House


@pytest.fixture
def campaign(house: House) -> Campaign:
    """Launched to 130 people, the first hundred called: 4 refused, 3 in doubt."""
    mailing = house.planned(130)
    settle(mailing, failed=4, unknown=3)
    campaign: Campaign = CampaignFactory.create(
        sender=house.sender,
        name="November news",
        mailing=mailing,
        launched_at=timezone.now(),
        launched_by="user:1 anna",
        frozen_references={},
    )
    return campaign


def url(campaign: Campaign, name: str, *more: str) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk, *more])


def mailing_of(campaign: Campaign) -> Mailing:
    return Mailing.objects.get(campaign=campaign)


def statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def test_campaign_under_way_shows_numbers_and_steps(
    house: House, campaign: Campaign, log_in: LogIn
) -> None:
    page = log_in(house.brand, Right.LAUNCH).get(url(campaign, "watch")).content.decode()

    assert f'data-live="{campaign.mailing_id}"' in page
    for words in ("refused by the provider", "Pause", "Cancel …", "Retry the failed …"):
        assert words in page
    assert "Export as CSV" not in page


def test_viewer_is_offered_no_steps(house: House, campaign: Campaign, log_in: LogIn) -> None:
    client = log_in(house.brand)

    page = client.get(url(campaign, "watch")).content.decode()

    assert ">Pause<" not in page
    for action in ("pause", "resume", "cancel", "retry"):
        assert client.post(url(campaign, "steer", action)).status_code == 403
    assert mailing_of(campaign).state == "running"


def test_other_brands_campaign_is_not_found(campaign: Campaign, log_in: LogIn) -> None:
    client = log_in(BrandFactory.create(), *Right)

    for name in ("watch", "numbers"):
        assert client.get(url(campaign, name)).status_code == 404
    assert client.post(url(campaign, "steer", "cancel")).status_code == 404


def test_pause_and_resume(house: House, campaign: Campaign, log_in: LogIn) -> None:
    client = log_in(house.brand, Right.LAUNCH)

    client.post(url(campaign, "steer", "pause"))
    assert mailing_of(campaign).state == "paused"
    page = client.get(url(campaign, "watch")).content.decode()
    assert "By anna." in page
    assert ">Resume<" in page

    client.post(url(campaign, "steer", "resume"))
    assert mailing_of(campaign).state == "running"


def test_cancel_asks_first(house: House, campaign: Campaign, log_in: LogIn) -> None:
    client = log_in(house.brand, Right.LAUNCH)
    address = url(campaign, "steer", "cancel")

    asked = client.get(address).content.decode()
    assert "30 people on its list are still waiting" in asked
    assert mailing_of(campaign).state == "running"
    client.post(address, {"reason": "wrong date"})

    assert mailing_of(campaign).state == "cancelled"
    assert mailing_of(campaign).state_reason.endswith("anna: wrong date")
    again = client.post(address, follow=True).content.decode()
    assert "only one that is" in again


def test_retry_sends_to_the_chosen_reasons_only(
    house: House, campaign: Campaign, log_in: LogIn
) -> None:
    mailing = mailing_of(campaign)
    settle(mailing, failed=5, reason="throttled")
    client = log_in(house.brand, Right.LAUNCH)
    address = url(campaign, "steer", "retry")

    page = client.get(address).content.decode()
    assert 'value="throttled" checked' in page
    assert 'value="refused" >' in page
    client.post(address, {"reason": ["throttled"]})

    failed = Message.objects.of(mailing).filter(state="failed")
    assert set(failed.values_list("reason", flat=True)) == {"refused"}
    assert Message.objects.of(mailing).filter(state="pending").count() == 5
    assert "Nobody was chosen" in client.post(address, follow=True).content.decode()


def test_results_show_links_and_bounces(house: House, campaign: Campaign, log_in: LogIn) -> None:
    ada, bob = Message.objects.of(mailing_of(campaign)).filter(state="sent")[:2]
    arrive(house.account, body("email.clicked", ada, click={"link": "https://shop.example/a"}))
    arrive(house.account, body("email.delivered", ada))
    arrive(house.account, body("email.bounced", bob, bounce={"type": "Permanent"}))
    apply_events()

    page = log_in(house.brand).get(url(campaign, "watch")).content.decode()

    for words in ("https://shop.example/a", "people.test", "1.1 %"):
        assert words in page


def test_numbers_are_counted_and_compared(house: House, campaign: Campaign, log_in: LogIn) -> None:
    client = log_in(house.brand)
    assert "They agree" in client.get(url(campaign, "numbers")).content.decode()

    Message.objects.filter(pk=Message.objects.of(mailing_of(campaign))[0].pk).delete()

    page = client.get(url(campaign, "numbers")).content.decode()
    assert "130" in page
    assert "129" in page
    assert "They agree" not in page


def test_statements_do_not_grow_with_the_campaign(
    house: House, campaign: Campaign, log_in: LogIn
) -> None:
    client = log_in(house.brand)
    address = url(campaign, "watch")
    client.get(address)
    few = statements(client, address)
    mailing = mailing_of(campaign)
    settle(mailing, failed=2, reason="throttled", unknown=1)
    for index, message in enumerate(Message.objects.of(mailing).filter(state="sent")[:20]):
        link = f"https://shop.example/{index}"
        arrive(house.account, body("email.clicked", message, click={"link": link}))
    apply_events()

    assert statements(client, address) == few <= 12


@pytest.mark.parametrize("action", ["nonsense", "watch"])
def test_unknown_step_is_not_found(
    house: House, campaign: Campaign, log_in: LogIn, action: str
) -> None:
    client = log_in(house.brand, Right.LAUNCH)

    assert client.get(url(campaign, "steer", action)).status_code == 404
    assert client.post(url(campaign, "steer", action)).status_code == 404

"""Test mails: the right look, to the right people, in nobody's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from django.db.models.functions import Now

from apps.campaigns import trial_mails
from apps.campaigns.errors import InvalidTestError
from apps.mail import specimens
from apps.mail.claiming import claim_batch, gather_singles
from apps.mail.models import Mailing, Message
from apps.mail.reports import figures
from apps.mail.reports.models import DailyFigure
from apps.mail.sealing import Sealed, compose
from tests.factories.brands import SenderFactory
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.campaigns.models import Campaign
    from apps.mail.people import Person

HTML = """<p>{{ contact.first_name | default: "nobody" }} of {{ traits.plan }} in
{{ campaign.name }}</p><p>{{ brand.postal_address }} <a href="{{ unsubscribe_url }}">x</a></p>"""


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    return newsroom.campaign(name="Spring", template__html=HTML)


def send(campaign: Campaign, *addresses: str, contact_id: int | None = None) -> list[Message]:
    return trial_mails.send_test(
        campaign_id=campaign.pk, addresses=addresses, contact_id=contact_id, actor="anna"
    )


def sealed(campaign: Campaign) -> Sealed:
    Message.objects.update(due_at="2020-01-01T00:00Z")
    gather_singles(account_id=campaign.sender.account_id, correlation="test")
    batch = claim_batch(account_id=campaign.sender.account_id, single=True)
    assert batch is not None
    return compose(batch)


def test_no_figure_counts_it(campaign: Campaign) -> None:
    (message,) = send(campaign, "me@desk.example")
    Message.objects.filter(pk=message.pk).update(state=Message.State.SENT, settled_at=Now())

    figures.fold_changes()

    assert DailyFigure.objects.get(kind="sent").number == 1
    assert all(day["sent"] == 0 for day in figures.daily([campaign.brand_id]))


def test_mail_looks_as_the_contact_would_see_it_and_goes_elsewhere(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    ann = newsroom.add_person("ann", first_name="Ann", traits={"plan": "pro"})

    send(campaign, "me@desk.example", "You@Desk.example", contact_id=ann.pk)
    mails = orjson.loads(sealed(campaign).body)

    assert [mail["to"] for mail in mails] == [["me@desk.example"], ["you@desk.example"]]
    assert mails[0]["subject"] == "[Test] News for Ann"
    assert "Ann of pro in" in mails[0]["html"]
    assert "Spring" in mails[0]["html"]
    assert "List-Unsubscribe" not in mails[0].get("headers", {})


def test_mail_for_nobody_is_made_without_data(campaign: Campaign) -> None:
    send(campaign, "me@desk.example")

    assert "nobody of" in orjson.loads(sealed(campaign).body)[0]["html"]


def test_newest_texts_are_sent_under_the_campaigns_sender(campaign: Campaign) -> None:
    send(campaign, "me@desk.example")
    campaign.template.html = HTML.replace("of", "from")
    campaign.template.save()
    campaign.sender = SenderFactory.create(brand=campaign.brand, account=campaign.sender.account)
    campaign.save()
    send(campaign, "me@desk.example")

    stream = Mailing.objects.get()
    assert (stream.sender, stream.kind, stream.mail_class) == (
        campaign.sender, "stream", "transactional",
    )  # fmt: skip
    assert "nobody from" in orjson.loads(sealed(campaign).body)[1]["html"]


def test_campaign_stays_a_draft_and_nobody_gets_a_message(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    ann = newsroom.add_person("ann")

    messages = send(campaign, "me@desk.example", contact_id=ann.pk)

    campaign.refresh_from_db()
    assert campaign.mailing is None
    assert [message.contact_id for message in messages] == [None]


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ([], "give 1 to 10; found 0"),
        ([" "], "found 0"),
        ([f"a{n}@desk.example" for n in range(11)], "found 11"),
        (["me@desk.example", "x"], "number 2: "),
        (["p3@people.example"], "must not be mailed: p3@people.example: the address does not"),
    ],
)
def test_addresses_are_looked_at_first(
    newsroom: Newsroom, campaign: Campaign, addresses: list[str], words: str
) -> None:
    newsroom.suppress(3)

    with pytest.raises(InvalidTestError, match=words):
        send(campaign, *addresses)

    assert not Message.objects.exists()


def test_foreign_contacts_and_broken_templates_are_refused(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    stranger = Newsroom(SenderFactory.create()).add_person("zoe")

    with pytest.raises(InvalidTestError, match="one of this brand's"):
        send(campaign, "me@desk.example", contact_id=stranger.pk)
    campaign.template.html = "{% if %}"
    campaign.template.save()
    with pytest.raises(InvalidTestError, match="cannot be made: html, line 1"):
        send(campaign, "me@desk.example")


def test_erased_person_is_not_shown(newsroom: Newsroom, campaign: Campaign) -> None:
    ann = newsroom.add_person("ann", first_name="Ann")
    send(campaign, "me@desk.example", contact_id=ann.pk)
    ann.delete()

    assert "nobody of" in orjson.loads(sealed(campaign).body)[0]["html"]


def test_specimens_share_one_look_up(
    newsroom: Newsroom, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = newsroom.add_person("ann")
    asked: list[list[int | None]] = []
    real = specimens.people

    def ask(ids: Iterable[int | None]) -> dict[int, Person]:
        asked.append(list(ids))
        return real(asked[-1])

    monkeypatch.setattr(specimens, "people", ask)
    send(campaign, "me@desk.example", "you@desk.example", contact_id=ann.pk)

    sealed(campaign)

    assert asked == [[ann.pk, ann.pk]]

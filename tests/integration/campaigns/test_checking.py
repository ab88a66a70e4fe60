"""Each thing that keeps a campaign from going out, and that nothing goes out then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from apps.brands.models import ProviderAccount, Sender
from apps.campaigns import checking, launching, sampling
from apps.campaigns.checking import DomainsUnknownError, Problem, ProblemCode
from apps.campaigns.errors import LaunchRefused
from apps.campaigns.models import Campaign
from apps.contacts.eligibility import MailClass
from apps.contacts.models import Contact
from apps.mail.claiming import claim_batch
from apps.mail.models import Mailing, Template
from apps.mail.resend import AccountRefused, Ambiguous
from apps.mail.resend.errors import CallFacts
from apps.mail.sealing import compose
from tests.factories.brands import SenderFactory
from tests.factories.mail import HTML, MailingFactory, TemplateFactory
from tests.unit.campaigns.domains import FakeDomains

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom

UNASKED = FakeDomains(failure=AssertionError("nobody should ask the provider"))


def problems_of(campaign: Campaign, client: FakeDomains = UNASKED) -> list[Problem]:
    return checking.check(Campaign.objects.with_parts().get(pk=campaign.pk), client)


def codes_of(campaign: Campaign, client: FakeDomains = UNASKED) -> list[str]:
    return [problem.code for problem in problems_of(campaign, client)]


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    newsroom.add_people(100)
    return newsroom.campaign()


def rewrite(campaign: Campaign, **parts: str) -> None:
    Template.objects.filter(pk=campaign.template_id).update(**parts)


def set_audience(campaign: Campaign, rules: dict[str, Any]) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(audience=rules)


def test_nothing_stands_against_a_good_campaign(campaign: Campaign) -> None:
    assert problems_of(campaign) == []


def without_address(campaign: Campaign) -> None:
    campaign.brand.postal_address = " "
    campaign.brand.save()


def hide_address(campaign: Campaign) -> None:
    rewrite(campaign, html=HTML.replace("{{ brand.postal_address }}", ""))


def hide_link_from_some(campaign: Campaign) -> None:
    link = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>'
    shown = "{% if traits.plan == 'pro' %}" + link + "{% endif %}"
    rewrite(campaign, html=HTML.replace(link, shown))


def hide_address_from_one(campaign: Campaign) -> None:
    shown = "{% if contact.first_name != 'P7' %}{{ brand.postal_address }}{% endif %}"
    rewrite(campaign, html=HTML.replace("{{ brand.postal_address }}", shown))


def hide_link_from_one(campaign: Campaign) -> None:
    link = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>'
    shown = "{% unless contact.first_name == 'P7' %}" + link + "{% endunless %}"
    rewrite(campaign, html=HTML.replace(link, shown))


def show_link_in_a_comment(campaign: Campaign) -> None:
    link = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>'
    hidden = "<!-- {{ unsubscribe_url }} -->"
    rewrite(
        campaign,
        html=HTML.replace(link, hidden),
        text="{{ unsubscribe_url }} {{ brand.postal_address }}",
    )


def leave_link_out_of_text(campaign: Campaign) -> None:
    rewrite(campaign, text="Hello. {{ brand.postal_address }}")


def take_foreign_sender(campaign: Campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(sender=SenderFactory.create())


def take_foreign_template(campaign: Campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(template=TemplateFactory.create())


def stop_account(campaign: Campaign) -> None:
    ProviderAccount.objects.update(stopped_at=datetime.now(tz=UTC), stopped_reason="key refused")


def break_template(campaign: Campaign) -> None:
    rewrite(campaign, html=HTML + "\n{% if %}", subject="{{ x | nonsense }}")


def fail_for_some(campaign: Campaign) -> None:
    rewrite(campaign, subject="{% if traits.plan == 'pro' %}News{% endif %}")


def fail_for_nobody_known(campaign: Campaign) -> None:
    rewrite(campaign, subject="{{ contact.first_name }}")


def mean_nobody(campaign: Campaign) -> None:
    set_audience(campaign, {"traits": [{"trait": "plan", "is": "gold"}]})


def mean_only_people_who_left(campaign: Campaign) -> None:
    Contact.objects.update(status="unsubscribed")


def name_unknown_topic(campaign: Campaign) -> None:
    set_audience(campaign, {"topics": {"any": ["sport"]}})


def name_unknown_campaign(campaign: Campaign) -> None:
    set_audience(campaign, {"everyone": True, "exclude": {"received": [10**9]}})


def garble_audience(campaign: Campaign) -> None:
    set_audience(campaign, {"topic": "news"})


def exclude_a_forgotten_one(campaign: Campaign) -> None:
    old = launched_long_ago(campaign)
    set_audience(campaign, {"everyone": True, "exclude": {"received": [old]}})


def launched_long_ago(campaign: Campaign) -> int:
    mailing = MailingFactory.create(sender=campaign.sender, month=date(2020, 1, 1))
    old = Campaign.objects.create(
        brand=campaign.brand,
        sender=campaign.sender,
        template=campaign.template,
        name="old",
        audience={"everyone": True},
        frozen_references={},
        mailing=mailing,
        launched_at=datetime(2020, 1, 1, tzinfo=UTC),
        launched_by="anna",
    )
    return old.pk


BLOCKED: list[tuple[Callable[[Campaign], None], str, str]] = [
    (without_address, ProblemCode.NO_POSTAL_ADDRESS, "enter it"),
    (hide_address, ProblemCode.POSTAL_ADDRESS_NOT_SHOWN, "put {{ brand.postal_address }} into"),
    (hide_link_from_some, ProblemCode.NO_UNSUBSCRIBE_LINK, "put {{ unsubscribe_url }} into"),
    (hide_address_from_one, ProblemCode.POSTAL_ADDRESS_NOT_SHOWN, "to everybody"),
    (hide_link_from_one, ProblemCode.NO_UNSUBSCRIBE_LINK, "to everybody"),
    (show_link_in_a_comment, ProblemCode.NO_UNSUBSCRIBE_LINK, "HTML and text"),
    (leave_link_out_of_text, ProblemCode.NO_UNSUBSCRIBE_LINK, "HTML and text"),
    (take_foreign_sender, ProblemCode.FOREIGN_SENDER, "choose one of this brand's"),
    (take_foreign_template, ProblemCode.FOREIGN_TEMPLATE, "choose one of this brand's"),
    (stop_account, ProblemCode.ACCOUNT_STOPPED, "(key refused)"),
    (break_template, ProblemCode.TEMPLATE_BROKEN, "there is no filter “nonsense”"),
    (fail_for_some, ProblemCode.TEMPLATE_FAILS, "for 50 of 100 people tried: subject: is empty"),
    (fail_for_nobody_known, ProblemCode.TEMPLATE_FAILS, "of whom nothing is known"),
    (mean_nobody, ProblemCode.AUDIENCE_EMPTY, "Nobody would get"),
    (mean_only_people_who_left, ProblemCode.AUDIENCE_EMPTY, "everybody in it is skipped"),
    (name_unknown_topic, ProblemCode.AUDIENCE_UNKNOWN_TOPICS, "has no topic sport"),
    (name_unknown_campaign, ProblemCode.AUDIENCE_UNKNOWN_CAMPAIGNS, "no campaign 1000000000"),
    (garble_audience, ProblemCode.AUDIENCE_INVALID, "audience.topic: found"),
    (exclude_a_forgotten_one, ProblemCode.RECEIVED_FORGOTTEN, "kept 25 months"),
]


@pytest.mark.parametrize(("spoil", "code", "words"), BLOCKED)
def test_launch_is_refused_with_the_problem_and_nothing_changes(
    campaign: Campaign, spoil: Callable[[Campaign], None], code: str, words: str
) -> None:
    spoil(campaign)
    mailings = Mailing.objects.count()

    with pytest.raises(LaunchRefused) as refused:
        launching.launch(campaign_id=campaign.pk, by="anna", client=UNASKED)

    problem = next(one for one in refused.value.problems if one.code == code)
    assert problem.blocking
    assert words in problem.message
    campaign.refresh_from_db()
    assert (campaign.state, campaign.launched_by) == ("draft", "")
    assert Mailing.objects.count() == mailings


def test_all_problems_are_told_at_once(campaign: Campaign) -> None:
    for spoil in (without_address, stop_account, break_template, mean_nobody):
        spoil(campaign)

    assert set(codes_of(campaign)) == {
        ProblemCode.NO_POSTAL_ADDRESS,
        ProblemCode.ACCOUNT_STOPPED,
        ProblemCode.TEMPLATE_BROKEN,
        ProblemCode.AUDIENCE_EMPTY,
    }


# --- What is only worth a look ------------------------------------------------------------------


def test_names_without_a_value_are_told_with_the_number_of_people(campaign: Campaign) -> None:
    rewrite(campaign, html=HTML + "<p>{{ traits.city }} {{ contact.nmae }}</p>")
    Contact.objects.filter(first_name="P1").update(traits={"plan": "pro", "city": "Turin"})

    (problem,) = problems_of(campaign)

    assert problem.code == ProblemCode.NAMES_WITHOUT_VALUE
    assert not problem.blocking
    assert "Of 100 people tried" in problem.message
    assert "contact.nmae (100)" in problem.message
    assert "traits.city (99)" in problem.message


def test_mail_that_gmail_would_cut_is_told(campaign: Campaign) -> None:
    rewrite(campaign, html=HTML + "<p>" + "long words " * 11_000 + "</p>")

    (problem,) = problems_of(campaign)

    assert (problem.code, problem.blocking) == (ProblemCode.CLIPPED_BY_GMAIL, False)


def test_excluding_who_received_a_draft_is_told(newsroom: Newsroom, campaign: Campaign) -> None:
    draft = newsroom.campaign()
    set_audience(campaign, {"everyone": True, "exclude": {"received": [draft.pk]}})

    (problem,) = problems_of(campaign)

    assert (problem.code, problem.blocking) == (ProblemCode.RECEIVED_NOBODY, False)


def test_message_of_a_problem_holds_no_persons_data(campaign: Campaign) -> None:
    Contact.objects.update(first_name="Secretname", traits={"plan": {"deep": "Secretname"}})
    rewrite(campaign, subject="{{ contact.first_name | divided_by: 0 }}")

    messages = " ".join(problem.message for problem in problems_of(campaign))

    assert "template_fails" in codes_of(campaign)
    assert "Secretname" not in messages
    assert "people.example" not in messages


# --- The sender's domain ------------------------------------------------------------------------


def unverify(campaign: Campaign, *, hours_ago: float | None = None) -> None:
    at = datetime.now(tz=UTC) - timedelta(hours=hours_ago) if hours_ago else None
    Sender.objects.filter(pk=campaign.sender_id).update(verified_at=at)


def test_providers_word_is_remembered_for_a_day(campaign: Campaign) -> None:
    unverify(campaign)
    client = FakeDomains({"brand.example": "verified"})

    assert problems_of(campaign, client) == []
    assert problems_of(campaign, client) == []
    assert client.calls == 1

    unverify(campaign, hours_ago=25)
    assert problems_of(campaign, client) == []
    assert client.calls == 2


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ({}, "brand.example is not known to the provider account"),
        ({"brand.example": "pending"}, "brand.example is 'pending' at the provider account"),
        ({"mail.brand.example": "verified"}, "is not known to"),
    ],
)
def test_domain_that_is_not_verified_blocks(
    campaign: Campaign, statuses: dict[str, str], words: str
) -> None:
    unverify(campaign, hours_ago=25)

    (problem,) = problems_of(campaign, FakeDomains(statuses))

    assert (problem.code, problem.blocking) == (ProblemCode.SENDER_NOT_VERIFIED, True)
    assert words in problem.message
    campaign.sender.refresh_from_db()
    assert campaign.sender.verified_at is None


@pytest.mark.parametrize(
    ("failure", "fix"),
    [
        (Ambiguous(CallFacts("timeout")), "try again when the provider can be reached"),
        (DomainsUnknownError("the account's rate limit is frozen"), "rate limit is frozen"),
        (AccountRefused(CallFacts("invalid_api_key", status=403)), "correct the account"),
    ],
)
def test_provider_that_gives_no_answer_blocks(
    campaign: Campaign, failure: Exception, fix: str
) -> None:
    unverify(campaign)

    with pytest.raises(LaunchRefused) as refused:
        launching.launch(campaign_id=campaign.pk, by="anna", client=FakeDomains(failure=failure))

    (problem,) = refused.value.problems
    assert problem.code == ProblemCode.SENDER_NOT_CHECKED
    assert fix in problem.message


def test_international_domain_is_found_in_either_form(campaign: Campaign) -> None:
    Sender.objects.filter(pk=campaign.sender_id).update(
        email="news@bücher.example", verified_at=None
    )

    assert problems_of(campaign, FakeDomains({"xn--bcher-kva.example": "verified"})) == []


# --- The same mail as the one that is sent ------------------------------------------------------


def test_sample_is_rendered_as_sealing_renders(newsroom: Newsroom) -> None:
    rewrite_html = HTML + "<p>{{ contact.email }} {{ contact.locale }} {{ contact.timezone }}</p>"
    person = newsroom.add_person(
        "ann",
        first_name="Ann",
        last_name="Bell",
        locale="de",
        timezone="Asia/Tokyo",
        traits={"plan": "pro", "list": [1, {"a": None}]},
    )
    _, mailing = newsroom.launched(0, html=rewrite_html)
    campaign = Campaign.objects.with_parts().get(mailing=mailing)

    content = sampling.draft_content(campaign, MailClass.COMMERCIAL)
    (sampled,) = sampling.sampled(content, [person.pk])
    batch = claim_batch(account_id=mailing.account_id)
    assert batch is not None
    (sent,) = orjson.loads(compose(batch).body)

    tried = content.template.render(sampled.context)
    link, sampled_link = sent["headers"]["List-Unsubscribe"], sampled.context.unsubscribe_url
    assert (tried.subject, sampled.address) == (sent["subject"], sent["to"][0])
    assert tried.html.replace(sampled_link, link.strip("<>")) == sent["html"]
    assert tried.missing == ()

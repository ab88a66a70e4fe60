"""The pages from draft to launch, as an operator's browser asks for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse

from apps.brands.rights import Right
from apps.campaigns import dry_running, launching, planning
from apps.campaigns.models import Approval, Campaign, DryRun
from apps.mail.models import Mailing, Message, Template
from tests.factories.brands import SenderFactory
from tests.factories.mail import HTML
from tests.integration.campaigns.admin.conftest import page
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http.response import HttpResponseBase
    from django.test import Client

EVERYTHING = (Right.EDIT, Right.LAUNCH, Right.APPROVE, Right.EXPORT)


@pytest.fixture
def anna(log_in: Callable[..., Client]) -> Client:
    return log_in("anna", *EVERYTHING)


@pytest.fixture
def draft(newsroom: Newsroom) -> Campaign:
    newsroom.add_people(10)
    return newsroom.campaign(name="Spring <sale>")


def fresh(campaign: Campaign) -> Campaign:
    return Campaign.objects.with_parts().get(pk=campaign.pk)


def text(response: HttpResponseBase) -> str:
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def said(response: Any) -> str:
    return " ".join(str(one) for one in get_messages(response.wsgi_request))


# --- The list ---------------------------------------------------------------------------------


def test_list_shows_states_and_progress_in_one_number_of_statements(
    newsroom: Newsroom, anna: Client, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    newsroom.launched(3)
    newsroom.campaign()
    address = page("changelist")
    anna.get(address)
    few = count_statements(lambda: anna.get(address))
    second = newsroom.campaign()
    launching.launch(campaign_id=second.pk, by="anna")
    planning.plan_audience(campaign_id=second.pk)
    newsroom.campaign()

    shown = text(anna.get(address))
    many = count_statements(lambda: anna.get(address))

    assert many == few
    assert "0 of 3" in shown
    assert "desk-badge-running" in shown
    assert "desk-badge-draft" in shown


@pytest.mark.parametrize("state", ["draft", "scheduled", "missed", "running", "completed"])
def test_list_is_filtered_by_state(newsroom: Newsroom, anna: Client, state: str) -> None:
    newsroom.launched(1)
    newsroom.campaign()

    shown = text(anna.get(page("changelist"), {"state": state}))

    expected = 1 if state in ("draft", "running") else 0
    assert shown.count(f"desk-badge-{state}") == expected


# --- Step by step -----------------------------------------------------------------------------


def test_new_draft_gets_texts_of_its_own(newsroom: Newsroom, anna: Client) -> None:
    template = newsroom.campaign().template

    answer = anna.post(
        page("add"), {"name": "Ny", "sender": newsroom.sender.pk, "template": template.pk}
    )

    made = Campaign.objects.latest("pk")
    assert answer.headers["Location"] == page("content", made.pk)
    assert (made.name, made.template.html) == ("Ny", template.html)
    assert made.template != template
    assert made.authors == [f"user:{anna.session['_auth_user_id']} anna"]


def test_new_draft_takes_no_template_of_another_brand(
    newsroom: Newsroom, anna: Client, log_in: Callable[..., Client]
) -> None:
    foreign = Newsroom(SenderFactory.create()).campaign().template

    answer = anna.post(
        page("add"), {"name": "x", "sender": newsroom.sender.pk, "template": foreign.pk}
    )

    assert answer.status_code == 200
    assert not Campaign.objects.filter(name="x").exists()


def test_draft_is_renamed(newsroom: Newsroom, anna: Client, draft: Campaign) -> None:
    shown = text(anna.get(page("change", draft.pk)))
    assert "Spring &lt;sale&gt;" in shown

    answer = anna.post(page("change", draft.pk), {"name": "New name", "sender": newsroom.sender.pk})

    assert answer.headers["Location"] == page("content", draft.pk)
    assert fresh(draft).name == "New name"


def test_content_is_saved_with_plain_line_ends(anna: Client, draft: Campaign) -> None:
    answer = anna.post(
        page("content", draft.pk),
        {"subject": "Hi", "html": "<p>a</p>\r\n<p>b</p>\r\n", "text": " a\r\n"},
    )

    assert answer.headers["Location"] == page("audience", draft.pk)
    template = fresh(draft).template
    assert (template.subject, template.html) == ("Hi", "<p>a</p>\n<p>b</p>\n")
    assert template.text == " a\n"


def test_content_page_shows_the_mail_as_somebody_sees_it(anna: Client, draft: Campaign) -> None:
    shown = text(anna.get(page("content", draft.pk)))

    assert 'sandbox=""' in shown
    assert "News for P10" in shown
    assert "Hello P10" in shown


def test_preview_shows_what_is_typed_and_writes_nothing(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    ann = newsroom.add_person("ann", first_name="Ann")
    typed = {
        "subject": "Hi {{ contact.first_name }}",
        "html": "<style>p{color:red}</style><p>{{ traits.none }}</p><a href='/x'>x</a>",
        "text": "",
        "contact": ann.pk,
    }

    seen = anna.post(page("preview", draft.pk), typed).json()

    assert seen["subject"] == "Hi Ann"
    assert 'style="color: red' in seen["html"]
    assert seen["missing"] == ["traits.none"]
    assert seen["links"] == [
        "/x is relative: a mail has no page to start from; write https:// and the host"
    ]
    assert seen["size_bytes"] == len(seen["html"].encode())
    assert fresh(draft).template.html == HTML


def test_preview_names_the_lines_of_all_mistakes(anna: Client, draft: Campaign) -> None:
    typed = {"subject": "{{ x", "html": "<p>\n{% nope %}", "text": "x"}

    flaws = anna.post(page("preview", draft.pk), typed).json()["flaws"]

    assert [(flaw["part"], flaw["line"]) for flaw in flaws] == [("subject", 1), ("html", 2)]


def test_preview_of_another_brands_contact_is_refused(anna: Client, draft: Campaign) -> None:
    stranger = Newsroom(SenderFactory.create()).add_person("zoe")
    typed = {"subject": "x", "html": "x", "contact": stranger.pk}

    answer = anna.post(page("preview", draft.pk), typed)

    assert (answer.status_code, answer.json()["error"][:16]) == (400, "The contact is g")


def test_people_are_found_by_the_beginning_of_their_address(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    newsroom.add_person("ann", first_name="Ann", last_name="Bee")
    Newsroom(SenderFactory.create()).add_person("anna")

    found = anna.get(page("people", draft.pk), {"q": "AN"}).json()["people"]

    assert [one["label"] for one in found] == ["ann@people.example (Ann Bee)"]


def test_audience_is_counted_while_it_is_chosen(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    newsroom.suppress(3)

    told = anna.post(
        page("count", draft.pk), {"rules": '{"traits": [{"trait": "plan", "is": "free"}]}'}
    ).json()

    assert (told["total"], told["would_get"]) == (5, 4)
    assert told["skipped"] == [
        {"reason": "hard_bounce", "words": "the address does not exist", "number": 1}
    ]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("{", "The rules are no JSON"),
        ("[]", "audience: found a list of 0"),
        ("{}", "give topics or traits"),
        ('{"topics": {"any": ["gone"]}}', "The brand has no topic 'gone'"),
        ('"' + "x" * 200_001, "more than 200,000 characters"),
    ],
)
def test_wrong_rules_are_told_and_not_saved(
    anna: Client, draft: Campaign, rules: str, words: str
) -> None:
    counted = anna.post(page("count", draft.pk), {"rules": rules})
    assert counted.status_code == 400
    assert words in counted.json()["error"]

    saved = anna.post(page("audience", draft.pk), {"rules": rules})
    if "gone" not in rules:
        assert saved.status_code == 200
        assert fresh(draft).audience == {"everyone": True}


def test_audience_page_offers_the_brands_topics_traits_and_campaigns(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    newsroom.add_topic("news")
    launched, _ = newsroom.launched(0)
    other = Newsroom(SenderFactory.create())
    other.add_topic("foreign")

    shown = text(anna.get(page("audience", draft.pk)))

    assert 'value="news"' in shown
    assert '<option value="plan">' in shown
    assert f'data-received value="{launched.pk}"' in shown
    assert "foreign" not in shown


def test_check_page_lists_what_must_be_corrected(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    assert "Nothing stands against a launch." in text(anna.get(page("check", draft.pk)))
    newsroom.brand.postal_address = ""
    newsroom.brand.save()
    Template.objects.update(html=HTML + '<a href="/x">x</a>')

    shown = text(anna.get(page("check", draft.pk)))

    assert "has no postal address" in shown
    assert "“/x” is relative" in shown


def test_test_mails_are_sent_from_the_check_page(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    answer = anna.post(
        page("check", draft.pk),
        {"addresses": "me@desk.example, you@desk.example", "contact": "p1@people.example"},
    )

    assert answer.headers["Location"] == page("check", draft.pk)
    assert said(answer) == "2 test mails are on their way."
    assert Message.objects.filter(contact_id=None).count() == 2
    for contact, words in (("nobody@people.example", "has no contact"), ("x", "no @")):
        given = {"addresses": "me@desk.example", "contact": contact}
        assert anna.post(page("check", draft.pk), given).status_code == 200, words


# --- Dry runs ---------------------------------------------------------------------------------


def test_dry_run_is_started_followed_read_and_downloaded(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    newsroom.suppress(3)
    assert anna.post(page("dry_run_start", draft.pk)).status_code == 302
    run = DryRun.objects.get()
    progress = page("dry_run_progress", draft.pk, run.pk)
    assert anna.get(progress).json() == {"state": "running", "looked_at": 0, "percent": 0}
    assert "Cancel the dry run" in text(anna.get(page("dry_run", draft.pk)))

    dry_running.run_dry(dry_run_id=run.pk)

    assert anna.get(progress).json() == {"state": "completed", "looked_at": 10, "percent": 100}
    shown = text(anna.get(page("dry_run", draft.pk), {"reason": "hard_bounce"}))
    assert "p3@people.example" in shown
    assert "p4@people.example" not in shown
    answer = anna.get(page("dry_run_csv", draft.pk, run.pk), {"q": "p10"})
    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert content.splitlines()[1:] == ["p10@people.example,P10,,yes,,"]


def test_dry_run_of_an_edited_campaign_is_told_to_be_old(anna: Client, draft: Campaign) -> None:
    anna.post(page("dry_run_start", draft.pk))
    dry_running.run_dry(dry_run_id=DryRun.objects.get().pk)
    assert "was edited since" not in text(anna.get(page("dry_run", draft.pk)))

    Campaign.objects.update(name="Other")

    assert "was edited since" in text(anna.get(page("dry_run", draft.pk)))


def test_dry_run_is_cancelled(anna: Client, draft: Campaign) -> None:
    anna.post(page("dry_run_start", draft.pk))

    anna.post(page("dry_run_cancel", draft.pk, DryRun.objects.get().pk))

    assert DryRun.objects.get().state == "cancelled"
    again = anna.post(page("dry_run_cancel", draft.pk, DryRun.objects.get().pk))
    assert "cancelled already" in said(again)


def test_one_address_is_explained(newsroom: Newsroom, anna: Client, draft: Campaign) -> None:
    newsroom.suppress(3)

    for address, words in (
        ("p3@people.example", "No: the address does not exist."),
        ("p4@people.example", "Yes."),
        ("no address", "desk-note-error"),
    ):
        assert words in text(anna.get(page("dry_run", draft.pk), {"address": address}))


# --- Launch -----------------------------------------------------------------------------------


def test_launch_with_the_right_number_leads_to_the_watch(anna: Client, draft: Campaign) -> None:
    answer = anna.post(page("launch", draft.pk), {"count": "10"})

    assert answer.headers["Location"] == page("watch", draft.pk)
    assert fresh(draft).launched_by == f"user:{anna.session['_auth_user_id']} anna"
    again = anna.post(page("launch", draft.pk), {"count": "10"})
    assert again.headers["Location"] == page("watch", draft.pk)
    assert Mailing.objects.count() == 1


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("9", "You confirmed 9 people, but now 10 would get it"),
        ("ten", "Type a whole number"),
        ("", "This field is required"),
        ("１０", "Type a whole number"),  # noqa: RUF001 - digits that are not ASCII
    ],
)
def test_wrong_number_launches_nothing(
    anna: Client, draft: Campaign, count: str, words: str
) -> None:
    shown = text(anna.post(page("launch", draft.pk), {"count": count}))

    assert words in shown
    assert not Mailing.objects.exists()


def test_pages_of_a_launched_campaign_lead_to_its_watch(newsroom: Newsroom, anna: Client) -> None:
    campaign, _ = newsroom.launched(1)

    for name in ("change", "content", "audience", "check", "dry_run", "launch"):
        assert anna.get(page(name, campaign.pk)).headers["Location"] == page("watch", campaign.pk)
    answer = anna.post(page("audience", campaign.pk), {"rules": "{}"})
    assert "cannot be changed" in said(answer)


def test_schedule_and_unschedule(newsroom: Newsroom, anna: Client, draft: Campaign) -> None:
    newsroom.brand.timezone = "Europe/Berlin"
    newsroom.brand.save()
    year = datetime.now(tz=UTC).year + 1
    summer = f"{year}-01-15"
    if datetime.now(tz=UTC) + timedelta(days=366) < datetime(year, 1, 16, tzinfo=UTC):
        pytest.skip("more than a year ahead")

    answer = anna.post(
        page("schedule", draft.pk), {"at": f"{summer}T09:00", "latest_start": f"{summer}T13:00"}
    )

    assert answer.headers["Location"] == page("launch", draft.pk)
    found = fresh(draft)
    assert found.scheduled_at == datetime(year, 1, 15, 8, 0, tzinfo=UTC)
    assert "(Europe/Berlin, +01:00)" in text(anna.get(page("launch", draft.pk)))
    assert "Scheduled: nothing can be changed" in text(anna.get(page("content", draft.pk)))
    refused = anna.post(page("audience", draft.pk), {"rules": '{"everyone": true}'})
    assert "Unschedule it first" in text(refused)
    anna.post(page("unschedule", draft.pk))
    assert fresh(draft).state == "draft"


def test_time_that_comes_twice_is_asked_about(
    newsroom: Newsroom, anna: Client, draft: Campaign
) -> None:
    newsroom.brand.timezone = "Europe/Berlin"
    newsroom.brand.save()
    end = datetime(datetime.now(tz=UTC).year + 1, 10, 31, tzinfo=UTC)
    day = end - timedelta(days=(end.weekday() + 1) % 7)
    given = {"at": f"{day:%Y-%m-%d}T02:30", "latest_start": f"{day:%Y-%m-%d}T05:00"}

    asked = text(anna.post(page("schedule", draft.pk), given))
    assert "comes twice in Europe/Berlin" in asked
    assert 'name="at_which"' in asked
    assert 'name="latest_start_which"' not in asked
    anna.post(page("schedule", draft.pk), {**given, "at_which": "second"})

    scheduled_at = fresh(draft).scheduled_at
    assert scheduled_at is not None
    assert f"{scheduled_at:%H:%M}" == "01:30"


def test_second_person_approves_on_the_launch_page(
    newsroom: Newsroom, anna: Client, log_in: Callable[..., Client], draft: Campaign
) -> None:
    newsroom.brand.requires_approval = True
    newsroom.brand.save()
    anna.post(page("change", draft.pk), {"name": "Mine", "sender": newsroom.sender.pk})
    anna.post(page("approval_request", draft.pk))
    decide = page("approval_decide", draft.pk)
    given = {"seen": Approval.objects.get().fingerprint, "decision": "approve"}

    assert "second person must approve" in said(anna.post(decide, given))
    assert "edited since" in said(anna.post(decide, {**given, "seen": "x"}))
    assert "approve or decline" in said(anna.post(decide, {"seen": "x"}))
    bert = log_in("bert", Right.APPROVE)
    bert.post(decide, given)

    assert Approval.objects.get().decision == "approved"
    assert "Nothing stands against" in text(bert.get(page("check", draft.pk)))


def test_duplicate_and_delete(newsroom: Newsroom, anna: Client, draft: Campaign) -> None:
    launched, _ = newsroom.launched(0)

    answer = anna.post(page("duplicate", launched.pk))
    copy = Campaign.objects.latest("pk")
    assert answer.headers["Location"] == page("change", copy.pk)
    assert "goes, with its approvals" in text(anna.get(page("delete", draft.pk)))
    anna.post(page("delete", draft.pk))

    assert not Campaign.objects.filter(pk=draft.pk).exists()
    assert anna.get(page("duplicate", launched.pk)).status_code in (302, 405)


# --- Rights -----------------------------------------------------------------------------------

_POSTS: list[tuple[str, Right, dict[str, str]]] = [
    ("change", Right.EDIT, {}),
    ("content", Right.EDIT, {}),
    ("audience", Right.EDIT, {}),
    ("check", Right.EDIT, {}),
    ("dry_run_start", Right.EDIT, {}),
    ("duplicate", Right.EDIT, {}),
    ("delete", Right.EDIT, {}),
    ("approval_request", Right.EDIT, {}),
    ("approval_decide", Right.APPROVE, {}),
    ("launch", Right.LAUNCH, {}),
    ("schedule", Right.LAUNCH, {}),
    ("unschedule", Right.LAUNCH, {}),
]


@pytest.mark.parametrize(("name", "right", "given"), _POSTS)
def test_each_post_needs_its_right(
    log_in: Callable[..., Client],
    draft: Campaign,
    name: str,
    right: Right,
    given: dict[str, str],
) -> None:
    others = [one for one in EVERYTHING if one is not right]

    refused = log_in("bert", *others).post(page(name, draft.pk), given)
    allowed = log_in("cyd", right).post(page(name, draft.pk), given)

    assert refused.status_code == 403
    assert allowed.status_code in (200, 302)


def test_csv_needs_the_right_to_export(log_in: Callable[..., Client], draft: Campaign) -> None:
    run = dry_running.start_dry_run(campaign_id=draft.pk, actor="x")
    dry_running.run_dry(dry_run_id=run.pk)
    address = page("dry_run_csv", draft.pk, run.pk)

    assert log_in("bert", Right.EDIT, Right.LAUNCH).get(address).status_code == 403
    assert log_in("cyd", Right.EXPORT).get(address).status_code == 200


def test_another_brands_campaign_is_not_there(
    log_in: Callable[..., Client], draft: Campaign
) -> None:
    foreign = Newsroom(SenderFactory.create())
    theirs = foreign.campaign(name="Secret")
    run = dry_running.start_dry_run(campaign_id=theirs.pk, actor="x")
    anna = log_in("anna", *EVERYTHING)

    for name in ("change", "content", "people", "audience", "count", "check", "dry_run", "launch"):
        assert anna.get(page(name, theirs.pk)).status_code == 404
    assert anna.get(page("dry_run_csv", draft.pk, run.pk)).status_code == 404
    assert anna.get(page("dry_run_progress", draft.pk, run.pk)).status_code == 404
    assert "Secret" not in text(anna.get(page("changelist")))


def test_viewer_sees_and_changes_nothing(log_in: Callable[..., Client], draft: Campaign) -> None:
    viewer = log_in("viewer", Right.VIEW)

    for name in ("change", "content", "audience", "check", "dry_run", "launch"):
        shown = viewer.get(page(name, draft.pk))
        assert shown.status_code == 200
        assert "desk-primary" not in text(shown) or name == "check"
    assert viewer.get(page("add")).status_code == 403


def test_logged_out_browser_is_sent_to_the_log_in(draft: Campaign, client: Client) -> None:
    answer = client.get(page("content", draft.pk))

    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]


def test_rules_survive_a_round_trip_through_the_page(anna: Client, draft: Campaign) -> None:
    rules = {"traits": [{"trait": "a<b>", "is": "</textarea>"}]}

    anna.post(page("audience", draft.pk), {"rules": json.dumps(rules)})

    assert fresh(draft).audience == rules
    assert "</textarea>&quot;" not in text(anna.get(page("audience", draft.pk)))

"""The command line as an operator uses it: what it says, and the codes it ends with."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.campaigns import controlling, launching, planning, watching
from apps.campaigns.management.commands import campaign as command
from apps.campaigns.models import Campaign
from apps.mail import mailings, outcomes
from apps.mail.claiming import claim_batch
from apps.mail.models import Mailing, Message, Template
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.results import progress
from apps.mail.sealing import compose, seal
from tests.factories.brands import BrandFactory, SenderFactory
from tests.factories.mail import HTML
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("campaign", *words, stdout=out)
    return out.getvalue()


def refused(*words: str) -> tuple[str, int]:
    """The error's text and the exit code."""
    with pytest.raises(CommandError) as caught:
        run(*words)
    return str(caught.value), caught.value.returncode


def send_all(mailing: Mailing, state: Message.State = Message.State.SENT) -> None:
    """As the workers would, without a provider."""
    while (batch := claim_batch(account_id=mailing.account_id)) is not None:
        sealed = compose(batch)
        assert seal(batch, sealed)
        reason = "" if state is Message.State.SENT else "refused"
        verdicts = [Verdict(state, reason)] * len(sealed.message_ids)
        outcomes.settle(batch, sealed, verdicts, Attempt("accepted", latency_ms=5))
    mailings.close_finished()


@pytest.fixture
def html(tmp_path: Path) -> str:
    path = tmp_path / "letter.html"
    path.write_text(HTML, encoding="utf-8")
    return str(path)


@pytest.fixture
def house(newsroom: Newsroom) -> Newsroom:
    newsroom.sender.is_default = True
    newsroom.sender.save()
    newsroom.add_people(10)
    return newsroom


def create(house: Newsroom, html: str, *more: str, audience: str = '{"everyone": true}') -> str:
    return run(
        "create", "--brand", house.brand.slug, "--name", "Spring sale",
        "--template-subject", "Hello", "--html", html, "--audience", audience, *more,
    )  # fmt: skip


# --- Drafts -----------------------------------------------------------------------------------


def test_create_makes_campaign_and_template_of_one_slug(house: Newsroom, html: str) -> None:
    said = create(house, html)

    campaign = Campaign.objects.get()
    assert said == f"Campaign {campaign.pk} (spring-sale) is a draft.\n"
    assert (campaign.slug, campaign.sender) == ("spring-sale", house.sender)
    assert (campaign.template.slug, campaign.template.html) == ("spring-sale", HTML)


def test_create_reads_the_audience_from_a_file(house: Newsroom, html: str, tmp_path: Path) -> None:
    rules = {"topics": {"any": ["news"]}}
    path = tmp_path / "audience.json"
    path.write_text(json.dumps(rules), encoding="utf-8-sig")

    create(house, html, audience=str(path))

    assert Campaign.objects.get().audience == rules


def test_create_replaces_a_draft_only_when_told_to(house: Newsroom, html: str) -> None:
    create(house, html)

    said, code = refused_create(house, html)
    assert "--replace" in said
    assert code == 1

    create(house, html, "--replace", audience='{"topics": {"any": ["news"]}}')
    assert Campaign.objects.get().audience == {"topics": {"any": ["news"]}}
    assert Template.objects.count() == 1


def refused_create(house: Newsroom, html: str, *more: str, **fields: Any) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        create(house, html, *more, **fields)
    return str(caught.value), caught.value.returncode


@pytest.mark.parametrize(
    ("more", "audience", "words"),
    [
        ((), "{", "--audience: this is no JSON: "),
        ((), '{"topics": []}', "audience.topics: found a list of 0"),
        ((), "no-such-file.json", "--audience: cannot read no-such-file.json: No such file"),
        (("--html", "gone.html"), '{"everyone": true}', "--html: cannot read gone.html"),
        (("--sender", "x@y.example"), '{"everyone": true}', "sender: the brand"),
        (("--template", "none"), '{"everyone": true}', "--template: the brand has no template"),
        (("--name", "Акция"), '{"everyone": true}', "Give --slug"),
        (("--brand", "nobody"), '{"everyone": true}', "There is no brand 'nobody'; there are:"),
        (("--slug", "a b"), '{"everyone": true}', "slug: Enter a valid “slug”"),
        (("--slug", "2026"), '{"everyone": true}', "slug: Needs a character that is no digit"),
    ],
)
def test_create_says_what_is_wrong_and_leaves_nothing(
    house: Newsroom, html: str, more: tuple[str, ...], audience: str, words: str
) -> None:
    said, code = refused_create(house, html, *more, audience=audience)

    assert words in said
    assert code == 1
    assert not Campaign.objects.exists()
    assert not Template.objects.exists()


def test_html_that_is_not_utf8_is_refused(house: Newsroom, tmp_path: Path) -> None:
    path = tmp_path / "latin.html"
    path.write_bytes("<p>Grüße</p>".encode("latin-1"))

    said, _ = refused_create(house, str(path))

    assert "latin.html is not UTF-8 (byte 5): save it as UTF-8." in said


def test_campaign_is_named_by_id_slug_or_brand(house: Newsroom) -> None:
    campaign = house.campaign(slug="same")
    Newsroom(SenderFactory.create()).campaign(slug="same")

    said, _ = refused("count", "same")
    assert "write brand/same" in said
    assert "10" in run("count", f"{house.brand.slug}/same")
    assert "10" in run("count", str(campaign.pk))
    assert "no campaign 'other'" in refused("count", "other")[0]
    assert "no campaign '99999999999999999999'" in refused("count", "9" * 20)[0]


def test_list_shows_the_newest_first_and_one_brands_only(house: Newsroom) -> None:
    house.campaign(slug="first")
    house.campaign(slug="second")
    BrandFactory.create(slug="other")

    listed = run("list")

    assert listed.index("second") < listed.index("first")
    assert "first" not in run("list", "--brand", "other")


# --- Launching ----------------------------------------------------------------------------------


def test_check_ends_with_3_where_something_blocks(house: Newsroom) -> None:
    campaign = house.campaign()
    assert run("check", campaign.slug) == "Nothing stands against a launch.\n"

    house.brand.postal_address = ""
    house.brand.save()
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("campaign", "check", campaign.slug, stdout=out)

    assert caught.value.returncode == command.REFUSED
    assert out.getvalue().startswith("must be corrected (no_postal_address): The brand")


def test_launch_shows_the_count_and_needs_a_yes(
    house: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = house.campaign()
    house.suppress(1)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    said, code = refused("launch", campaign.slug)
    assert said == "There is no terminal to ask at: give --yes to launch."
    assert code == 1
    campaign.refresh_from_db()
    assert campaign.state == "draft"

    said = run("launch", campaign.slug, "--yes")
    assert "hard_bounce" in said
    assert f"Campaign {campaign.pk} is launched." in said


@pytest.mark.parametrize(
    ("answer", "state"), [("y", "running"), ("YES", "running"), ("", "draft"), ("no", "draft")]
)
def test_launch_asks_at_a_terminal(
    house: Newsroom, monkeypatch: pytest.MonkeyPatch, answer: str, state: str
) -> None:
    campaign = house.campaign(name="Sale")
    asked = list[str]()

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", ask)

    if state == "running":
        run("launch", campaign.slug)
    else:
        assert refused("launch", campaign.slug) == ("Nothing was launched.", 1)

    campaign.refresh_from_db()
    assert campaign.state == state
    assert asked == ["Send 'Sale' to 10 people? [y/N] "]


def test_refused_launch_ends_with_3(house: Newsroom) -> None:
    campaign = house.campaign(audience={"topics": {"any": ["sport"]}})

    assert refused("launch", campaign.slug, "--yes") == ("Nothing was launched.", 3)


def test_second_launch_says_who_launched(house: Newsroom) -> None:
    campaign = house.campaign()
    launching.launch(campaign_id=campaign.pk, by="anna")

    said, code = refused("launch", campaign.slug, "--yes")

    assert "was launched by anna" in said
    assert code == 1


# --- Watching -----------------------------------------------------------------------------------


@pytest.fixture
def launched(house: Newsroom) -> Campaign:
    campaign = launching.launch(campaign_id=house.campaign().pk, by="anna")
    planning.plan_audience(campaign_id=campaign.pk)
    return campaign


def test_watch_ends_with_the_table(launched: Campaign) -> None:
    assert launched.mailing is not None
    send_all(launched.mailing)

    said = run("watch", launched.slug)

    assert "completed: 10 of 10" in said
    assert "provider calls" in said
    assert "duration" in said


def test_watch_ends_with_4_where_some_failed(launched: Campaign) -> None:
    assert launched.mailing is not None
    send_all(launched.mailing, Message.State.FAILED)

    with pytest.raises(SystemExit) as ended:
        run("watch", launched.slug)

    assert ended.value.code == command.SOME_FAILED


def test_watch_ends_with_5_where_the_campaign_is_halted(launched: Campaign) -> None:
    controlling.pause(campaign_id=launched.pk, by="anna", reason="wrong price")
    said, code = refused("watch", launched.slug)
    assert "paused (anna: wrong price)" in said
    assert f"campaign resume {launched.pk}" in said
    assert code == command.HALTED

    controlling.cancel(campaign_id=launched.pk, by="anna")
    mailings.settle_cancelled()
    assert refused("watch", launched.slug) == ("The campaign was cancelled.", command.HALTED)


def test_ctrl_c_leaves_the_campaign_running_and_says_so(
    launched: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "progress", interrupt)
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("campaign", "watch", launched.slug, stdout=out)

    launched.refresh_from_db()
    assert ended.value.code == command.INTERRUPTED
    assert f"The campaign goes on. Watch it again: manage.py campaign watch {launched.pk}" in (
        out.getvalue()
    )
    assert launched.state == "running"


def test_launch_can_stay_and_watch(house: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = house.campaign()
    real = progress

    def work_then_look(mailing: Mailing) -> Any:
        planning.plan_audience(campaign_id=campaign.pk)
        send_all(mailing)
        return real(mailing)

    monkeypatch.setattr(watching, "progress", work_then_look)

    said = run("launch", campaign.slug, "--yes", "--watch")

    assert "completed: 10 of 10" in said


# --- Steering -----------------------------------------------------------------------------------


def test_pause_resume_cancel_say_what_happened(launched: Campaign) -> None:
    assert "is paused" in run("pause", launched.slug, "--reason", "wrong price")
    assert "price" in run("list")
    assert "goes on" in run("resume", launched.slug)
    assert "is cancelled" in run("cancel", launched.slug)
    assert "only one that is running can become paused" in refused("pause", launched.slug)[0]


@pytest.mark.parametrize("action", ["watch", "results", "retry", "pause", "resume", "cancel"])
def test_draft_is_told_to_be_launched_first(house: Newsroom, action: str) -> None:
    campaign = house.campaign()

    assert refused(action, campaign.slug) == (
        f"Campaign {campaign.pk} is a draft; launch it first.",
        1,
    )


def test_retry_takes_the_reasons_there_are(launched: Campaign) -> None:
    assert launched.mailing is not None
    send_all(launched.mailing, Message.State.FAILED)

    said, _ = refused("retry", launched.slug, "--reason", "typo")
    assert said == "Nobody failed for typo; the reasons are: refused."
    assert run("retry", launched.slug, "--reason", "refused") == "10 people are tried again.\n"
    assert "pending" in run("results", launched.slug)

"""Engagement where operators see it: the command, the rules' preview, a person's page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import orjson
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from apps.brands.models import Grant, Right
from apps.contacts.models import Contact
from apps.newsletter.engagement.explaining import rule_in_words
from apps.newsletter.engagement.scoring import rescore
from apps.newsletter.models import ScoreChange, ScoreRule, Tier
from tests.integration.newsletter.engagement import Club, make_club

if TYPE_CHECKING:
    from typing import Any

pytestmark = pytest.mark.django_db


@pytest.fixture
def club() -> Club:
    return make_club()


@pytest.fixture
def desk(club: Club) -> Client:
    """Somebody who may edit the club's brand, and no other."""
    user = User.objects.create_user("anna", password="x", is_staff=True)
    Grant.objects.create(user=user, brand=club.brand, right=Right.EDIT, granted_by="test")
    client = Client()
    client.force_login(user)
    return client


def command(*words: str) -> Any:
    out = io.StringIO()
    call_command("recompute_engagement", *words, "--json", "-v", "0", stdout=out)
    return orjson.loads(out.getvalue())


def test_command_tells_moves_and_then_makes_them(club: Club) -> None:
    ada, *_ = club.people(3)
    club.mail(ada, clicked=1)
    expected = [
        {
            "brand": club.brand.slug,
            "contacts": 3,
            "changed": 3,
            "moved": 3,
            "moves": {"(none) → cold": 2, "(none) → warm": 1},
        }
    ]

    assert command("--brand", club.brand.slug, "--dry-run") == expected
    assert not ScoreChange.objects.exists()
    assert command() == expected
    assert command()[0]["changed"] == 0
    assert Contact.objects.get(pk=ada).tier == "warm"


def test_command_names_brands_that_there_are(club: Club) -> None:
    with pytest.raises(CommandError, match=club.brand.slug):
        command("--brand", "nobody")


def test_preview_explains_people_of_ones_own_brands_only(club: Club, desk: Client) -> None:
    [ada] = club.people(1)
    club.mail(ada, clicked=1)
    other = make_club()
    [eve] = other.people(1)
    url = reverse("admin:newsletter_scorerule_preview")

    own = desk.get(url, {"address": Contact.objects.get(pk=ada).address})
    foreign = desk.get(url, {"address": Contact.objects.get(pk=eve).address})
    wrong = desk.get(url, {"address": "nobody"})

    assert "1 x clicked (10) = 10, so 10." in own.content.decode()
    assert "No brand of yours" in foreign.content.decode()
    assert "needs an @" in wrong.content.decode()


def test_lists_and_forms_of_rules_and_tiers_open(club: Club, desk: Client) -> None:
    rule, tier = ScoreRule.objects.all()[0], Tier.objects.all()[0]

    for name, row in (("scorerule", rule), ("tier", tier)):
        assert desk.get(reverse(f"admin:newsletter_{name}_changelist")).status_code == 200
        assert desk.get(reverse(f"admin:newsletter_{name}_add")).status_code == 200
        page = desk.get(reverse(f"admin:newsletter_{name}_change", args=[row.pk]))
        assert page.status_code == 200


def test_persons_page_shows_score_reasons_and_history(club: Club, desk: Client) -> None:
    [ada] = club.people(1)
    club.mail(ada, clicked=1)
    rescore([ada], cause=ScoreChange.Cause.EVENT)
    club.mail(ada, opened=1)

    page = desk.get(reverse("admin:contacts_contact_change", args=[ada])).content.decode()

    assert "1 x clicked (10)" in page
    assert "none → warm" in page
    assert "Counted this moment it would be 15" in page


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ScoreRule(signal="opened", points=5, window_days=90, most_points=20),
         "5 points for each mail that the person opened, in the last 90 days, at most 20 in all."),
        (ScoreRule(signal="visited", points=1, window_days=30, half_life_days=7),
         ("1 point for each “visited” that another system told, in the last 30 days, half of that"
         " after 7 days.")),
        (ScoreRule(signal="complained", points=-50, window_days=365, most_points=80),
         ("-50 points for each mail that the person marked as spam, in the last 365 days,"
           " never less than -80 in all.")),
    ],
)  # fmt: skip
def test_rule_reads_as_a_sentence(rule: ScoreRule, words: str) -> None:
    assert rule_in_words(rule) == words

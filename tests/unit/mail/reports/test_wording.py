from __future__ import annotations

import pytest

from apps.brands.models import ProviderAccount
from apps.contacts.eligibility import SkipReason
from apps.mail.admin.live import actor_in_words, advice, look, span_in_words, state_label
from apps.mail.models import Mailing, Message
from apps.mail.reports.wording import (
    STATES,
    may_be_retried,
    reason_in_words,
    state_in_words,
)
from apps.mail.results import Progress

GIVEN_UP = ("throttled", "unreachable")


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        ("failed", ("refused", "template", "not_sent", *GIVEN_UP)),
        ("unknown", ("key_expired", "key_mismatch", "body_missing", *GIVEN_UP)),
        ("skipped", (*SkipReason.values, "excluded", "cancelled")),
    ],
)
def test_every_reason_has_words_of_its_own(state: str, reasons: tuple[str, ...]) -> None:
    words = {reason_in_words(state, reason) for reason in reasons}

    assert len(words) == len(reasons)
    assert not words & {reason.replace("_", " ") for reason in reasons}


def test_every_state_has_a_word() -> None:
    assert set(STATES) == set(Message.State.values)
    assert state_in_words("newer") == "newer"


def test_reason_of_a_newer_version_is_shown_as_it_is() -> None:
    assert reason_in_words("failed", "solar_flare") == "solar flare"
    assert may_be_retried("solar_flare")


def test_only_what_may_help_is_offered_for_retry() -> None:
    assert may_be_retried("unreachable")
    assert not may_be_retried("refused")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3_700, "1 h 2 min"), (200_000, "2.3 days")],
)
def test_spans_are_told_in_fitting_units(seconds: float, words: str) -> None:
    assert span_in_words(seconds) == words


def progress(**changes: object) -> Progress:
    fields: dict[str, object] = {
        "state": "running", "state_reason": "", "account_stopped": "", "audience": 1_000,
        "audience_complete": True, "planned": 900, "sent": 300, "failed": 0, "unknown": 0,
        "pending": 600, "in_flight": 100, "skipped_later": 0,
        "skipped_by_reason": {"unsubscribed": 100}, "per_second": 20.0,
        "requests_per_second": 2.0, **changes,
    }  # fmt: skip
    return Progress(**fields)  # type: ignore[arg-type]


def test_look_is_text_that_needs_no_more_work() -> None:
    seen = look(progress())

    assert seen["texts"] == {
        "done": "400", "total": "1,000", "percent": "40.0 %", "rate": "20", "limit": "200",
        "time_left": "30 s", "in_flight": "100",
    }  # fmt: skip
    assert [row["state"] for row in seen["rows"]] == [
        "sent", "pending", "failed", "unknown", "skipped",
    ]  # fmt: skip
    assert seen["rows"][-1]["reasons"][0]["words"] == "has unsubscribed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audience_complete": False}, "still adding people"),
        ({"state": "paused"}, "waits"),
        ({"per_second": 0.0}, "not known yet"),
        ({"pending": 0, "sent": 900}, "none"),
    ],
)
def test_time_left_is_told_only_where_it_is_known(changes: dict[str, object], words: str) -> None:
    assert look(progress(**changes))["texts"]["time_left"] == words


def test_nearly_all_is_not_all() -> None:
    almost = progress(audience=1_000_000, sent=999_899, pending=1)

    assert look(almost)["texts"]["percent"] == "99.9 %"


def test_page_is_drawn_anew_when_the_state_changes() -> None:
    keys = {
        look(progress(**changes))["key"]
        for changes in ({}, {"state": "paused"}, {"account_stopped": "401"}, {"pending": 0})
    }

    assert len(keys) == 4
    assert look(progress(sent=301, pending=599))["key"] in keys


def test_paused_mailing_that_still_calls_is_watched_to_its_end() -> None:
    assert look(progress(state="paused"))["moving"]
    assert not look(progress(state="paused", in_flight=0))["moving"]


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("user:5 anna", "anna"),
        ("key:3 shop", "the API key “shop”"),
        ("command:campaign", "command:campaign"),
        ("system", "system"),
    ],
)
def test_actors_are_named_as_people_know_them(actor: str, words: str) -> None:
    assert actor_in_words(actor) == words


def test_mailing_that_runs_needs_no_advice() -> None:
    mailing = Mailing(state="running", account=ProviderAccount(name="main"))

    assert advice(mailing) is None
    assert state_label("completed") == "good"
    assert state_label("running") == "plain"

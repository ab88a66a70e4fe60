"""The page behind the unsubscribe link, for people, mail clients and link scanners."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from django.db import OperationalError
from django.test import Client

from apps.brands.models import Brand
from apps.contacts.models import ConsentRecord, Contact
from apps.mail import planning
from apps.mail.claiming import claim_batch
from apps.mail.links import LinkTarget, make_token
from apps.mail.models import Mailing, Message
from apps.mail.sealing import compose, seal
from apps.newsletter import leaving
from tests.integration.mail.conftest import House, make_house

ONE_CLICK = "List-Unsubscribe=One-Click"
MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)
QUESTION = {"en": "No more mail from Acme?", "de": "mehr von Acme?"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def house(db: None) -> House:
    return make_house()


@pytest.fixture
def link(house: House) -> str:
    """The path of the link that the first of three people got."""
    mailing = house.planned(3)
    message = Message.objects.of(mailing).order_by("pk")[0]
    return f"/unsubscribe/{make_token(target_of(message))}/"


def target_of(message: Message) -> LinkTarget:
    return LinkTarget(message.contact_id or 0, message.mailing_id, message.pk)


def statuses() -> list[str]:
    return list(Contact.objects.order_by("pk").values_list("status", flat=True))


def text(answer: Any) -> str:
    html = re.sub(r"<style.*?</style>", "", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


# --- Looking ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(client: Client, link: str, method: str, slash: str) -> None:
    answer = getattr(client, method)(link.rstrip("/") + slash)

    assert answer.status_code == 200
    assert statuses() == ["subscribed"] * 3
    assert not ConsentRecord.objects.exists()


def test_page_names_the_brand_and_has_a_button_that_posts(client: Client, link: str) -> None:
    answer = client.get(link)

    assert "No more mail from Acme?" in text(answer)
    assert "1 Main Street, Town" in text(answer)
    assert '<form method="post">' in answer.content.decode()


def test_page_tells_nobody_whose_link_it_is(client: Client, link: str) -> None:
    contact = Contact.objects.order_by("pk")[0]

    for answer in (client.get(link), client.post(link)):
        assert contact.address not in answer.content.decode()
        assert contact.first_name not in text(answer).split()


@pytest.mark.parametrize("method", ["get", "post"])
def test_page_is_of_no_interest_to_caches_search_engines_and_frames(
    client: Client, link: str, method: str
) -> None:
    answer = getattr(client, method)(link)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    [nonce] = re.findall(r"'nonce-([^']+)'", policy)
    assert f'<style nonce="{nonce}">' in answer.content.decode()
    assert not answer.cookies


def test_brands_words_are_escaped(client: Client, link: str, house: House) -> None:
    house.brand.name = "<script>alert(1)</script>"
    house.brand.save()

    for answer in (client.get(link), client.post(link)):
        assert "<script>" not in answer.content.decode()


# --- Leaving ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, FORM),
        (MULTIPART, "multipart/form-data; boundary=x"),
    ],
)
def test_one_click_of_a_mail_client_leaves_at_once(
    link: str, slash: str, body: str, content_type: str
) -> None:
    mail_client = Client(enforce_csrf_checks=True)

    answer = mail_client.post(link.rstrip("/") + slash, body, content_type=content_type)

    assert (answer.status_code, answer.content) == (200, b"Unsubscribed.\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert not answer.cookies
    assert statuses() == ["unsubscribed", "subscribed", "subscribed"]
    assert ConsentRecord.objects.get().source == "one_click"


def test_button_of_the_page_leaves_at_once(link: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(link, "", content_type=FORM)

    assert answer.status_code == 200
    assert "You are unsubscribed" in text(answer)
    assert "news@acme.test" in text(answer)
    assert statuses()[0] == "unsubscribed"


def test_consent_record_says_how_and_from_which_mail(client: Client, link: str) -> None:
    message = Message.objects.order_by("pk")[0]

    client.post(link, headers={"X-Correlation-ID": "corr-12345678"})

    record = ConsentRecord.objects.get()
    assert (record.kind, record.source) == ("unsubscribed", "link")
    assert record.detail == f"mailing {message.mailing_id}, message {message.pk}"
    assert record.correlation_id == "corr-12345678"
    assert record.contact_id == message.contact_id


def test_leaving_twice_is_leaving_once(client: Client, link: str) -> None:
    first, second = client.post(link), client.post(link)

    assert text(first) == text(second)
    assert ConsentRecord.objects.count() == 1


def test_who_has_left_sees_so_when_looking(client: Client, link: str) -> None:
    client.post(link)

    assert "You are unsubscribed" in text(client.get(link))


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_erased_gets_the_same_page(client: Client, link: str, method: str) -> None:
    Contact.objects.all().delete()

    answer = getattr(client, method)(link)

    assert answer.status_code == 200
    assert "You are unsubscribed" in text(answer)
    assert "Acme" in text(answer)


def test_one_click_of_an_erased_person_is_no_error(client: Client, link: str) -> None:
    Contact.objects.all().delete()

    assert client.post(link, ONE_CLICK, content_type=FORM).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xfe\x00", FORM),
        (b"x" * 5_000_000, FORM),
        (b"{}", "application/json"),
        (b"no boundary at all", "multipart/form-data"),
        (b"a=b", "application/x-www-form-urlencoded; charset=utf-16"),
        (b"", ""),
    ],
    ids=["bytes", "long", "json", "multipart", "charset", "empty"],
)
def test_leaving_does_not_depend_on_the_body(
    client: Client, link: str, body: bytes, content_type: str
) -> None:
    assert client.generic("POST", link, body, content_type).status_code == 200
    assert statuses()[0] == "unsubscribed"


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_change_nothing(client: Client, link: str, method: str) -> None:
    assert getattr(client, method)(link).status_code == 405
    assert statuses()[0] == "subscribed"


def test_link_keeps_working_when_keys_rotate(client: Client, link: str, settings: Any) -> None:
    settings.LINK_KEYS = {**settings.LINK_KEYS, 99: b"n" * 32}

    assert client.post(link).status_code == 200
    assert statuses()[0] == "unsubscribed"


def test_brand_with_a_website_shows_the_way_back(client: Client, link: str, house: House) -> None:
    house.brand.website = "https://acme.test/?a=1&b=2"
    house.brand.save()
    house.sender.reply_to = "hello@acme.test"
    house.sender.save()

    answer = client.post(link)

    assert 'href="https://acme.test/?a=1&amp;b=2"' in answer.content.decode()
    assert "hello@acme.test" in text(answer)


# --- Languages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contacts", "brands", "language"),
    [
        ("de", "en", "de"),
        ("de_AT", "en", "de"),
        ("", "de", "de"),
        ("en", "de", "en"),
        ("fr", "xx", "en"),
    ],
)
def test_page_speaks_the_persons_language_or_the_brands(
    client: Client, link: str, contacts: str, brands: str, language: str
) -> None:
    Contact.objects.update(locale=contacts)
    Brand.objects.update(locale=brands)

    answer = client.get(link, headers={"Accept-Language": "fr"})

    assert QUESTION[language] in text(answer)
    assert f'<html lang="{language}"' in answer.content.decode()
    assert answer.headers["Content-Language"] == language


# --- Links that do not work -------------------------------------------------------------------


def spoilt(link: str) -> list[str]:
    token = link.split("/")[2]
    return ["x", token[:-1], token[:20], "B" + token[1:], token[:-6] + "AAAAAA", token * 2]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_link_that_was_cut_says_how_to_leave_by_hand(
    client: Client, link: str, method: str, slash: str
) -> None:
    for token in spoilt(link):
        answer = getattr(client, method)(f"/unsubscribe/{token}{slash}")

        assert answer.status_code == 404
        assert "leave by hand" in text(answer)
        assert answer.headers["Cache-Control"] == "no-store"
    assert statuses() == ["subscribed"] * 3


@pytest.mark.parametrize("token", ["%00", "%F0%9F%92%A9", "a" * 5000, "%2B%3D", "..", "%25"])
def test_rubbish_for_a_link_is_not_found(client: Client, db: None, token: str) -> None:
    assert client.get(f"/unsubscribe/{token}/").status_code == 404
    assert client.post(f"/unsubscribe/{token}/").status_code == 404


def test_cut_link_speaks_the_browsers_language(client: Client, db: None) -> None:
    answer = client.get("/unsubscribe/x/", headers={"Accept-Language": "de-DE,de;q=0.9"})

    assert "Dieser Link funktioniert nicht" in text(answer)


def test_mail_client_with_a_cut_link_gets_a_line(client: Client, db: None) -> None:
    answer = client.post("/unsubscribe/x/", ONE_CLICK, content_type=FORM)

    assert (answer.status_code, answer.headers["Content-Type"]) == (
        404,
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(("body", "kind"), [("", "text/html"), (ONE_CLICK, "text/plain")])
def test_database_that_is_away_asks_to_try_again(
    client: Client, link: str, monkeypatch: pytest.MonkeyPatch, body: str, kind: str
) -> None:
    def away(_: str) -> None:
        raise OperationalError

    monkeypatch.setattr(leaving, "identify", away)

    answer = client.post(link, body, content_type=FORM)

    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith(kind)


# --- While a campaign runs --------------------------------------------------------------------


def test_click_during_a_running_campaign_means_that_nothing_more_is_sent(
    client: Client, house: House
) -> None:
    """The link of an old mail, pressed when the new mailing is planned but not sealed yet."""
    old = house.planned(3)
    new = house.mailing(name="December")
    planning.plan_page(mailing_id=new.pk, selection=planning.Selection())
    Mailing.objects.filter(pk=old.pk).update(state="cancelled")
    leaver = Message.objects.of(old).order_by("pk")[1]
    batch = claim_batch(account_id=house.account.pk)
    assert batch is not None

    client.post(f"/unsubscribe/{make_token(target_of(leaver))}/", ONE_CLICK, content_type=FORM)

    sealed = compose(batch)
    assert seal(batch, sealed)
    assert leaver.address not in sealed.addresses
    assert len(sealed.addresses) == 2
    skipped = Message.objects.of(new).get(contact_id=leaver.contact_id)
    assert (skipped.state, skipped.reason) == ("skipped", "unsubscribed")


def test_link_in_the_mail_is_the_one_that_works(client: Client, house: House) -> None:
    house.planned(1)
    batch = claim_batch(account_id=house.account.pk)
    assert batch is not None
    [mail] = orjson.loads(compose(batch).body)
    address = re.search(r"<(http[^>]+)>", mail["headers"]["List-Unsubscribe"])
    assert address is not None

    answer = client.post(urlsplit(address[1]).path, ONE_CLICK, content_type=FORM)

    assert answer.status_code == 200
    assert statuses() == ["unsubscribed"]
    assert address[1] in mail["html"].replace("&amp;", "&")

from __future__ import annotations

import email.headerregistry
import email.policy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.mail.rendering import (
    EmailRequest,
    Mailbox,
    RenderedMail,
    SealError,
    build_email,
    encode_batch,
    format_mailbox,
)

SENDER = Mailbox("Tea & Co", "news@tea.example")
MAIL = RenderedMail(subject="Grüße 🍵", html="<p>日本</p>", text="日本")


def sealed(**changes: object) -> EmailRequest:
    fields: dict[str, object] = {
        "sender": SENDER,
        "to": "zoë@bücher.example",
        "rendered": MAIL,
        "tags": {"mailing": "1", "message": "2"},
    }
    return build_email(**(fields | changes))  # type: ignore[arg-type]  # fields of the signature


def test_build_email_gives_the_provider_s_fields() -> None:
    built = sealed(reply_to="help@tea.example", unsubscribe_url="https://tea.example/u/abc/")

    assert built == {
        "from": "Tea & Co <news@tea.example>",
        "to": ["zoë@bücher.example"],
        "subject": "Grüße 🍵",
        "html": "<p>日本</p>",
        "text": "日本",
        "reply_to": "help@tea.example",
        "headers": {
            "List-Unsubscribe": "<https://tea.example/u/abc/>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tags": [{"name": "mailing", "value": "1"}, {"name": "message", "value": "2"}],
    }


def test_build_email_without_options_leaves_them_out() -> None:
    assert set(sealed(tags={})) == {"from", "to", "subject", "html", "text"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b.example"),
        ("Tea", "Tea <a@b.example>"),
        ("Tea & Co", "Tea & Co <a@b.example>"),
        ("Tea, Inc.", '"Tea, Inc." <a@b.example>'),
        ('The "Tea" \\ Shop', '"The \\"Tea\\" \\\\ Shop" <a@b.example>'),
        ("Zoë <zoe@x.example>", '"Zoë <zoe@x.example>" <a@b.example>'),
        ("شاي", '"شاي" <a@b.example>'),
        ("a@b", '"a@b" <a@b.example>'),
    ],
)
def test_display_names_are_quoted_where_they_must_be(name: str, written: str) -> None:
    assert format_mailbox(Mailbox(name, "a@b.example")) == written


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1))
def test_display_names_survive_a_mail_parser(name: str) -> None:
    name = " ".join(name.split())[:200].strip() or "x"

    header = email.headerregistry.HeaderRegistry()(
        "from", format_mailbox(Mailbox(name, "a@b.example"))
    )

    (address,) = header.addresses  # type: ignore[attr-defined]  # an address header
    assert (address.display_name, address.addr_spec) == (name, "a@b.example")


@pytest.mark.parametrize("bad", ["\r\n", "\n", "\x00", "\x85", "\u2028"])
@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("from name", lambda bad: {"sender": Mailbox(f"a{bad}Bcc: x@y.example", "a@b.example")}),
        ("from", lambda bad: {"sender": Mailbox("a", f"a{bad}@b.example")}),
        ("to", lambda bad: {"to": f"a@b.example{bad}"}),
        ("reply_to", lambda bad: {"reply_to": f"a@b.example{bad}Bcc: c@d.example"}),
        ("unsubscribe_url", lambda bad: {"unsubscribe_url": f"https://x.example/{bad}a"}),
        ("subject", lambda bad: {"rendered": RenderedMail(f"a{bad}b", "", "")}),
    ],
)
def test_line_breaks_and_controls_are_refused(field: str, change: object, bad: str) -> None:
    with pytest.raises(SealError) as info:
        sealed(**change(bad))  # type: ignore[operator]  # a lambda above

    assert info.value.field == field
    assert "example" not in str(info.value).replace("name@example.com", "")


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b.example", "a@b@c.example", "A <a@b.example>", "a@b.example, c@d.example",
     "a b@c.example", "a@b.example;c", "x" * 320 + "@b.example"],
)  # fmt: skip
def test_addresses_that_are_not_plain_are_refused(address: str) -> None:
    with pytest.raises(SealError, match=r"^to: is no plain address"):
        sealed(to=address)


@pytest.mark.parametrize(
    "url",
    ["http://tea.example/u", "ftp://tea.example/u", "//tea.example/u", "https:///u", "mailto:a@b",
     "https://tea.example/<>", "https://tea.example/ü", "https://tea.example/a b",
     "https://tea.example/" + "x" * 900],
)  # fmt: skip
def test_unsubscribe_urls_that_clients_cannot_post_to_are_refused(url: str) -> None:
    with pytest.raises(SealError, match=r"^unsubscribe_url: must be"):
        sealed(unsubscribe_url=url)


@pytest.mark.parametrize(
    "url", ["https://tea.example/u?a=1&b=~", "http://127.0.0.1:8000/u/", "http://localhost/u"]
)
def test_https_and_loopback_unsubscribe_urls_are_taken(url: str) -> None:
    assert sealed(unsubscribe_url=url)["headers"]["List-Unsubscribe"] == f"<{url}>"


@pytest.mark.parametrize("tags", [{"a b": "1"}, {"a": ""}, {"a": "ü"}, {"a": "x" * 257}])
def test_tags_the_provider_refuses_are_refused_here(tags: dict[str, str]) -> None:
    with pytest.raises(SealError, match=r"^tags: "):
        sealed(tags=tags)


def test_long_display_name_is_refused() -> None:
    with pytest.raises(SealError, match="more than 200 characters"):
        format_mailbox(Mailbox("x" * 201, "a@b.example"))


def test_encode_batch_is_the_json_array_in_utf8() -> None:
    body = encode_batch([sealed(), sealed(to="b@c.example")])

    assert json.loads(body) == [sealed(), sealed(to="b@c.example")]
    assert "Grüße 🍵".encode() in body
    assert body == encode_batch([sealed(), sealed(to="b@c.example")])


@pytest.mark.parametrize("count", [0, 101])
def test_encode_batch_takes_one_to_a_hundred(count: int) -> None:
    with pytest.raises(SealError, match=f"has {count} mails"):
        encode_batch([sealed()] * count)


def test_encode_batch_refuses_half_characters() -> None:
    with pytest.raises(SealError, match="not valid Unicode"):
        encode_batch([sealed(rendered=RenderedMail("a\ud800", "", ""))])
